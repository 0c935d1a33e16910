import { jest } from '@jest/globals';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { JsonLogger, type JsonLoggerOptions } from './json-logger.js';
import { ORDER_ID } from './order-id.js';

const TRACE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 0 };

beforeAll(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterAll(() => context.disable());

describe('a log line', () => {
  it('carries the service, the trace and the order it belongs to', () => {
    const active = trace.setSpanContext(ROOT_CONTEXT, TRACE).setValue(ORDER_ID, 'order-1');
    const [line] = context.with(active, () => written((logger) => logger.log('payment captured', { amount: 5 })));
    expect(line).toMatchObject({
      level: 'log',
      message: 'payment captured',
      service: 'test',
      traceId: TRACE.traceId,
      spanId: TRACE.spanId,
      orderId: 'order-1',
      amount: 5,
    });
  });

  it('has no trace and no order where there is none', () => {
    const [line] = written((logger) => logger.log('started'));
    expect(Object.keys(line!)).not.toEqual(expect.arrayContaining(['traceId']));
    expect(Object.keys(line!)).not.toEqual(expect.arrayContaining(['orderId']));
  });

  it('keeps the order id it was given over the one of the context', () => {
    const active = ROOT_CONTEXT.setValue(ORDER_ID, 'order-1');
    const [line] = context.with(active, () => written((logger) => logger.warn('noted', { orderId: 'order-2' })));
    expect(line).toMatchObject({ orderId: 'order-2' });
  });

  it('masks what is secret by its name, at any depth, and what the app names', () => {
    const [line] = written(
      (logger) => logger.log('called', { headers: { Authorization: 'Bearer x' }, user: { password: 'p', pin: 1234 } }),
      { redact: ['pin'] },
    );
    expect(JSON.stringify(line)).not.toMatch(/Bearer|1234|"p"/);
  });

  it('has an error with its causes as a field', () => {
    const error = new Error('charge failed', { cause: new Error('socket closed') });
    const [line] = written((logger) => logger.error('could not charge', error));
    expect(line).toMatchObject({
      message: 'could not charge',
      error: { message: 'charge failed', cause: { message: 'socket closed' } },
    });
  });

  it('reads an object with a message as that message with fields', () => {
    const [line] = written((logger) => logger.warn({ message: 'broker lost', server: 'one' }, 'Connection'));
    expect(line).toMatchObject({ message: 'broker lost', server: 'one', context: 'Connection', level: 'warn' });
  });
});

describe('the level', () => {
  it('is the least severe that is written', () => {
    const speak = (logger: JsonLogger) => {
      logger.debug('debug');
      logger.log('log');
      logger.warn('warn');
    };
    expect(written(speak).map((line) => line['message'])).toEqual(['log', 'warn']);
    expect(written(speak, { level: 'warn' }).map((line) => line['message'])).toEqual(['warn']);
    expect(written(speak, { level: 'debug' })).toHaveLength(3);
  });

  it("hides Nest's account of every route and module unless debugging", () => {
    const speak = (logger: JsonLogger) => logger.log('Mapped {/orders, POST} route', 'RouterExplorer');
    expect(written(speak)).toEqual([]);
    expect(written(speak, { level: 'debug' })).toHaveLength(1);
  });
});

function written(speak: (logger: JsonLogger) => void, options: JsonLoggerOptions = {}): Record<string, unknown>[] {
  const lines: string[] = [];
  const catchLine = (chunk: unknown) => lines.push(String(chunk)) > 0;
  const spies = [process.stdout, process.stderr].map((stream) =>
    jest.spyOn(stream, 'write').mockImplementation(catchLine),
  );
  try {
    speak(new JsonLogger({ service: 'test', ...options }));
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
