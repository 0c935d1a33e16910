// A cancellation that comes before the order was heard of is forgotten.
import { PaymentModule } from '@pavane/payment/module';
import { runService } from '@pavane/service';
import { tamperingWithParticipant } from './participant.js';

await runService(
  tamperingWithParticipant(PaymentModule, (_, options) => {
    const { rules } = options;
    options.rules = {
      ...rules,
      decide: (message, state, now) => rules.decide(message, state, now).filter(({ type }) => type !== 'refused'),
    };
  }),
);
