// An answer of the provider that settles nothing is taken for a decline.
import { PaymentModule } from '@pavane/payment/module';
import { PaymentProvider } from '@pavane/payment/provider';
import { runService } from '@pavane/service';
import { tampering } from './replace.js';

await runService(
  tampering(PaymentModule, PaymentProvider, (provider) => {
    const charge = provider.charge.bind(provider);
    provider.charge = async (payment) => {
      const answer = await charge(payment);
      return answer.type === 'unknown' ? { type: 'declined' } : answer;
    };
  }),
);
