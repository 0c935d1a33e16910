// What happens to the state when payments.failed is said has been forgotten.
import type { Event } from '../src/index.js';

export function evolve(state: object, fact: Event<'payments.completed' | 'payments.failed'>): object {
  switch (fact.type) {
    case 'payments.completed':
      return state;
    default:
      return fact satisfies never;
  }
}
