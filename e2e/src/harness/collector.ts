import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Span {
  service: string;
  name: string;
  traceId: string;
  spanId: string;
  /** Empty for the first span of a trace. */
  parentSpanId: string;
}

export interface Collector extends AsyncDisposable {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` takes. */
  readonly url: string;
  readonly spans: readonly Span[];
  /** Requests of any kind, understood or not. */
  readonly requests: number;
}

/** Receives traces by OTLP over HTTP, as a collector does, and keeps them. */
export async function startCollector(): Promise<Collector> {
  const spans: Span[] = [];
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces') spans.push(...spansOf(Buffer.concat(chunks)));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    get requests() {
      return requests;
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The fields of a protobuf message that carry bytes, by number; others are skipped. */
function fieldsOf(message: Buffer): Map<number, Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const kind = tag & 7;
    if (kind === 0) varint();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else {
      const length = varint();
      const field = fields.get(tag >>> 3) ?? [];
      field.push(message.subarray(at, at + length));
      fields.set(tag >>> 3, field);
      at += length;
    }
  }
  return fields;
}

const all = (message: Buffer, field: number): Buffer[] => fieldsOf(message).get(field) ?? [];
const one = (message: Buffer, field: number): Buffer => all(message, field)[0] ?? Buffer.alloc(0);

/** ExportTraceServiceRequest: resource spans (1) of a resource (1) and scopes (2), which hold the spans (2). */
function spansOf(request: Buffer): Span[] {
  return all(request, 1).flatMap((resourceSpans) => {
    const attributes = all(one(resourceSpans, 1), 1);
    const named = attributes.find((attribute) => one(attribute, 1).toString() === 'service.name');
    const service = named ? one(one(named, 2), 1).toString() : '';
    return all(resourceSpans, 2).flatMap((scopeSpans) =>
      all(scopeSpans, 2).map((span) => ({
        service,
        traceId: one(span, 1).toString('hex'),
        spanId: one(span, 2).toString('hex'),
        parentSpanId: one(span, 4).toString('hex'),
        name: one(span, 5).toString(),
      })),
    );
  });
}
