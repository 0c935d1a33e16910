import { ParseUUIDPipe } from '@nestjs/common';
import { defineProblems, problem, type ProblemOptions } from '@pavane/service';

const problems = defineProblems({
  'idempotency-key-missing': {
    status: 400,
    title: 'The Idempotency-Key header is missing or longer than 255 characters',
  },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key was used for another order' },
  'invalid-request': { status: 400, title: 'The request is not valid' },
  'order-unknown': { status: 404, title: 'There is no such order' },
  'order-ended': { status: 409, title: 'The order has ended and can no longer be cancelled' },
  'too-many-followers': { status: 503, title: 'No further event stream is opened for the moment' },
  'intake-closed': { status: 503, title: 'No new orders are accepted for the moment' },
  overloaded: { status: 503, title: 'More orders are under way than new ones could wait for' },
  'outbox-stalled': { status: 503, title: 'Accepted orders are not getting through, so no new ones are accepted' },
});

/** An error of the order service that the client gets to read. */
export const orderProblem = (slug: keyof typeof problems, options?: ProblemOptions) =>
  problem(problems[slug].status, slug, options);

/** Refuses a path in which no order's id stands. */
export const isOrderId = new ParseUUIDPipe({
  exceptionFactory: () => {
    const errors = [{ field: 'id', message: 'must be a UUID', remedy: 'Send the id that POST /orders answered with.' }];
    return orderProblem('invalid-request', { detail: 'id must be a UUID', errors });
  },
});

export const orderUnknown = (id: string) => orderProblem('order-unknown', { detail: `There is no order ${id}.` });

export const KEY_MISSING = {
  field: 'Idempotency-Key',
  message: 'must be a header of 1 to 255 characters',
  remedy: 'Send a fresh UUID, and the same one when you retry.',
};
export const KEY_REUSED = {
  field: 'Idempotency-Key',
  message: 'belongs to an order with another body',
  remedy: 'Send a fresh key for a new order.',
};
export const EVENT_ID_WRONG = {
  field: 'Last-Event-ID',
  message: 'must be the id of an event of this stream',
  remedy: 'Send the id that came last, or no such header to get everything.',
};
