/** Data for `client.emit()` together with what the envelope shall say instead of the defaults. */
export class JetStreamRecord<T = unknown> {
  constructor(
    readonly data: T,
    readonly options: {
      /** The event's id, a UUIDv7. Give the same one when the same event is emitted again. Default: a new one. */
      id?: string;
      /** `ce-type`. Default: the subject without its last token. */
      type?: string;
      /** Further headers; they win over those of the envelope. */
      headers?: Record<string, string>;
    } = {},
  ) {}
}
