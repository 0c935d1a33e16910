import { errors, headers as newHeaders, type MsgHdrs } from '@nats-io/transport-node';
import { decodeBody, decodeEvent, fromMsgHdrs, toHeaders, toMsgHdrs, type CloudEvent } from './envelope.js';
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
  wanted: Parameters<typeof decodeEvent>[2] = expected,
) => decodeEvent(subject, headers, wanted);

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

  it('may be of an earlier version that is heard as well, and of no other', () => {
    const wanted = { ...expected, type: 'orders.created.v3', earlier: { 'orders.created.v2': () => ({}) } };
    const of = (version: number) =>
      decode(toHeaders({ ...event, type: `orders.created.v${version}` }), undefined, wanted);
    expect([of(2).type, of(3).type]).toEqual(['orders.created.v2', 'orders.created.v3']);
    expect(() => of(1)).toThrow(/must be 'orders.created.v3' or 'orders.created.v2'/);
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
    ['ce-time', '2026-02-30T00:00:00Z'],
    ['ce-time', '2026-01-02T03:04:05'],
    ['ce-time', '2026-W49'],
  ])('is unprocessable when %s is %j', (name, value) => {
    const failing = () => decode({ ...toHeaders(event), [name]: value });
    expect(failing).toThrow(
      expect.objectContaining({ code: 'UNPROCESSABLE', message: expect.stringContaining(name) as string }),
    );
  });

  it('is unprocessable without headers', () => {
    expect(() => decodeEvent('orders.created.o1', {}, expected)).toThrow(/ce-specversion is missing but must be '1.0'/);
  });
});

describe('a body', () => {
  const body = (text: string) => decodeBody({ subject: 's', data: Buffer.from(text) });

  it('is a JSON object', () => {
    expect(body('{"a":1}')).toEqual({ a: 1 });
  });

  it.each(['', '{', '[]', 'null', '"a"', '1'])('is unprocessable as %j', (text) => {
    expect(() => body(text)).toThrow(expect.objectContaining({ code: 'UNPROCESSABLE' }));
  });

  it('is unprocessable when it is not UTF-8, rather than changed', () => {
    const data = Buffer.from('{"a":"\xff"}', 'latin1');
    expect(() => decodeBody({ subject: 's', data })).toThrow(/not JSON in UTF-8/);
  });
});

describe('headers on the wire', () => {
  const wire = (headers: MsgHdrs) => Buffer.from((headers as unknown as { encode(): Uint8Array }).encode()).toString();

  it("are what the client's own collection makes of them", () => {
    const record = { ...toHeaders(event), 'Nats-Msg-Id': 'one', name: 'Zoë', empty: '' };
    const theirs = newHeaders();
    for (const [name, value] of Object.entries(record)) theirs.set(name, value);
    expect(wire(toMsgHdrs(record))).toBe(wire(theirs));
    expect(fromMsgHdrs(theirs)).toEqual(record);
  });

  it.each([
    ['a name with a colon', { 'a:b': 'c' }],
    ['a name with a blank', { 'a b': 'c' }],
    ['no name', { '': 'c' }],
    ['a line end', { a: 'b\nNats-Msg-Id: forged' }],
    ['half a line end', { a: 'b\rc' }],
  ])('are refused with %s', (_, record) => {
    expect(() => toMsgHdrs(record)).toThrow(errors.InvalidArgumentError);
  });
});
