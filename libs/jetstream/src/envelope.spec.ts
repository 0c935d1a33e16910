import { decodeBody, decodeEvent, toHeaders, toMsgHdrs, type CloudEvent } from './envelope.js';
import { uuidv7 } from './uuid.js';

const event: CloudEvent = {
  id: uuidv7(),
  type: 'orders.created.v1',
  source: 'order',
  subject: 'o1',
  time: '2026-01-02T03:04:05.678Z',
};
const expected = { subject: 'orders.created.*', type: 'orders.created.v1', source: 'order' };
const decode = (
  headers: Record<string, string>,
  subject = 'orders.created.o1',
  wanted: typeof expected | { subject: string } = expected,
) => decodeEvent({ subject, headers: toMsgHdrs(headers) }, wanted);

describe('an event', () => {
  it('comes out of its headers as it went in, with and without a trace', () => {
    expect(decode(toHeaders(event))).toEqual(event);
    const traced = { ...event, traceparent: '00-1-2-01', tracestate: 'a=b' };
    expect(decode(toHeaders(traced))).toEqual(traced);
  });

  it('needs its key in the subject only where the filter leaves the last token open', () => {
    expect(() => decode(toHeaders(event), 'timers.fired')).toThrow(/ce-subject is 'o1' but must be 'fired'/);
    expect(decode(toHeaders(event), 'timers.fired', { subject: 'timers.fired' })).toEqual(event);
  });

  it.each([
    ['ce-specversion', '0.3'],
    ['ce-id', '7f9c24e8-3b12-4fef-91d4-1f1c2d3e4f50'],
    ['ce-id', ''],
    ['ce-type', 'orders.created.v2'],
    ['ce-source', 'payment'],
    ['ce-subject', 'o2'],
    ['ce-time', '2026-13-45T00:00:00Z'],
    ['ce-time', 'Fri, 02 Jan 2026'],
  ])('is unprocessable when %s is %j', (name, value) => {
    const failing = () => decode({ ...toHeaders(event), [name]: value });
    expect(failing).toThrow(
      expect.objectContaining({ code: 'UNPROCESSABLE', message: expect.stringContaining(name) as string }),
    );
  });

  it('is unprocessable without headers', () => {
    expect(() => decodeEvent({ subject: 'orders.created.o1' }, expected)).toThrow(
      /ce-specversion is missing but must be '1.0'/,
    );
  });
});

describe('a body', () => {
  const body = (text: string) => decodeBody({ subject: 's', string: () => text });

  it('is a JSON object', () => {
    expect(body('{"a":1}')).toEqual({ a: 1 });
  });

  it.each(['', '{', '[]', 'null', '"a"', '1'])('is unprocessable as %j', (text) => {
    expect(() => body(text)).toThrow(expect.objectContaining({ code: 'UNPROCESSABLE' }));
  });
});
