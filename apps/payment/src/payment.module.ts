import { Module } from '@nestjs/common';
import { flags, type FlagTable, outboundOf, subscriptionsOf } from '@pavane/contracts';
import { Flags } from '@pavane/flags';
import { OutboxModule } from '@pavane/outbox';
import { ServiceModule } from '@pavane/service';
import { PaymentConfig } from './payment.config.js';
import { PaymentEventsController } from './payment.events.controller.js';
import { PaymentHttpController } from './payment.http.controller.js';
import { PaymentProvider } from './payment.provider.js';
import { PaymentReconciler } from './payment.reconciler.js';
import { Payments, PaymentStore } from './payment.store.js';
import { decide, evolve, newPayment } from './payment.js';
import { FaultyPaymentProvider } from './providers/faults.js';
import { providers } from './providers/index.js';

@Module({
  imports: [
    ServiceModule.forRoot({
      name: 'payment',
      subscriptions: subscriptionsOf('payment'),
      config: PaymentConfig,
      flags,
      migrations: new URL('../prisma/migrations/', import.meta.url),
    }),
    OutboxModule.forParticipant({
      participant: Payments,
      store: PaymentStore,
      rules: { aggregateOf: ({ orderId }) => orderId, initial: newPayment, decide, evolve },
      outbound: outboundOf('payment'),
    }),
  ],
  controllers: [PaymentEventsController, PaymentHttpController],
  providers: [
    {
      provide: PaymentProvider,
      inject: [PaymentConfig, Flags],
      useFactory: (config: PaymentConfig, faults: Flags<FlagTable>) =>
        new FaultyPaymentProvider(providers[config.PROVIDER_API](config), faults),
    },
    PaymentReconciler,
  ],
})
export class PaymentModule {}
