import type { JsMsg } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { BaseRpcContext } from '@nestjs/microservices';
import type { CloudEvent } from './envelope.js';

/** What a `@JetStreamEvent` handler gets with `@Ctx()`. */
export class JetStreamContext extends BaseRpcContext<[JsMsg]> {
  constructor(
    message: JsMsg,
    /** The validated envelope. */
    readonly event: CloudEvent,
    readonly durable: string,
  ) {
    super([message]);
  }

  /** How often this message was delivered to the durable, this time included; also raised by outages and restarts. */
  get deliveryCount(): number {
    return this.getMessage().info.deliveryCount;
  }

  /** The message as received. The transport settles it: do not ack, nak or term it in a handler. */
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
