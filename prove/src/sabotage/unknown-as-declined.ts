// An answer of the provider that settles nothing is taken for a decline.
import { PaymentModule } from '@pavane/payment/module';
import { runService } from '@pavane/service';
import { extending } from './replace.js';

interface Provider {
  charge(...asked: unknown[]): Promise<unknown>;
}

await runService(
  extending<Provider>(PaymentModule, 'PaymentProvider', (Found) => {
    class Hasty extends Found {
      override async charge(...asked: unknown[]): Promise<unknown> {
        const answer = await super.charge(...asked);
        return answer === 'unknown' ? 'declined' : answer;
      }
    }
    return Hasty;
  }),
);
