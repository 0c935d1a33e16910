import type { JsMsg } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { BaseRpcContext } from '@nestjs/microservices';
import type { CloudEvent } from '../publish/envelope.js';

/** What a `@JetStreamEvent` handler gets with `@Ctx()`. */
export class JetStreamContext extends BaseRpcContext<[JsMsg]> {
  constructor(
    message: JsMsg,
    /** The validated envelope. */
    readonly event: CloudEvent,
    readonly durable: string,
    /** How often this message has come to the durable, this time included; also raised by outages and restarts. */
    readonly deliveryCount: number,
    private readonly deadline: () => AbortSignal,
  ) {
    super([message]);
  }

  /** Aborted when the deadline of the handler has passed, or the service cannot wait any longer. Hand it to what takes long. */
  get signal(): AbortSignal {
    return this.deadline();
  }

  /** The message as received, from its stream or from the waiting room. The transport settles it: do not ack, nak or term it in a handler. */
  getMessage(): JsMsg {
    return this.args[0];
  }
}

/** What a `@MessagePattern` handler gets with `@Ctx()`. */
export class RequestContext extends BaseRpcContext<[Msg]> {
  getMessage(): Msg {
    return this.args[0];
  }

  getSubject(): string {
    return this.args[0].subject;
  }
}
