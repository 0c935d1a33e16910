import type { Fault } from './fault.js';

/** What can happen to the feature flags while orders are under way. */
export const flags: readonly Fault[] = [
  {
    name: 'flags-flipped',
    about: 'intake, mail, provider latency and decline rate are flipped again and again while orders are under way',
    async run(scene) {
      for (let i = 0; i < 12; i++) {
        await scene.setFlag('orders.intake', scene.random.pick([true, true, false]));
        await scene.setFlag('notifications.email', scene.random.pick([true, false]));
        await scene.setFlag('faults.payment.decline-rate', scene.random.pick([0, 0.5, 1]));
        await scene.setFlag('faults.payment.latency-ms', scene.random.pick([0, 300]));
        await scene.lasts(500);
      }
      await scene.setFlag('orders.intake', true);
      await scene.setFlag('notifications.email', true);
      await scene.setFlag('faults.payment.decline-rate', 0);
      await scene.setFlag('faults.payment.latency-ms', 0);
    },
  },
  {
    name: 'flags-away',
    about: 'the flags bucket is deleted under running services, a service starts without it, and it comes back',
    async run(scene) {
      const jsm = await scene.jsm();
      await jsm.streams.delete('KV_flags');
      await scene.accepted(40);
      scene.kill('payment');
      await scene.accepted(40);
      await scene.platform.provision();
      await scene.platform.services.get('payment')!.ready();
      await scene.setFlag('notifications.email', true);
    },
  },
];
