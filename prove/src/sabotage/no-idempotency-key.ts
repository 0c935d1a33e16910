// Asked again for the same charge, the payment provider is given another key.
import { randomUUID } from 'node:crypto';
import { PaymentModule } from '@pavane/payment/module';
import { type Payable, PaymentProvider } from '@pavane/payment/provider';
import { runService } from '@pavane/service';
import { tampering } from './replace.js';

await runService(
  tampering(PaymentModule, PaymentProvider, (provider) => {
    const asked = new Set<string>();
    const charge = provider.charge.bind(provider);
    provider.charge = (payment: Payable) => {
      const orderId = asked.has(payment.orderId) ? randomUUID() : payment.orderId;
      asked.add(payment.orderId);
      return charge({ ...payment, orderId });
    };
  }),
);
