import { Module } from '@nestjs/common';
import { flags, outboundOf } from '@pavane/contracts';
import { OutboxModule } from '@pavane/outbox';
import { ServiceModule } from '@pavane/service';
import { PaymentConfig } from './payment.config.js';
import { PaymentEventsController } from './payment.events.controller.js';
import { HttpPaymentProvider } from './payment.provider.http.js';
import { PaymentProvider } from './payment.provider.js';
import { PaymentReconciler } from './payment.reconciler.js';
import { PaymentStore } from './payment.store.js';
import { decide, evolve, newPayment } from './payment.js';

@Module({
  imports: [
    ServiceModule.forRoot({
      name: 'payment',
      config: PaymentConfig,
      flags,
      migrations: new URL('../prisma/migrations/', import.meta.url),
    }),
    OutboxModule.forParticipant({
      store: PaymentStore,
      rules: { aggregateOf: ({ orderId }) => orderId, initial: newPayment, decide, evolve },
      outbound: outboundOf('payment'),
    }),
  ],
  controllers: [PaymentEventsController],
  providers: [{ provide: PaymentProvider, useClass: HttpPaymentProvider }, PaymentReconciler],
})
export class PaymentModule {}
