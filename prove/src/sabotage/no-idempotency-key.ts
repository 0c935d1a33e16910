// Asked again for the same charge, the payment provider is given another key.
import { randomUUID } from 'node:crypto';
import { PaymentModule } from '@pavane/payment/module';
import { runService } from '@pavane/service';
import { extending } from './replace.js';

interface Provider {
  charge(key: string, charge: unknown): Promise<unknown>;
}

await runService(
  extending<Provider>(PaymentModule, 'PaymentProvider', (Found) => {
    class Forgetful extends Found {
      readonly #asked = new Set<string>();

      override charge(orderId: string, charge: unknown): Promise<unknown> {
        const key = this.#asked.has(orderId) ? randomUUID() : orderId;
        this.#asked.add(orderId);
        return super.charge(key, charge);
      }
    }
    return Forgetful;
  }),
);
