import { freePort } from '../../../dev/services/server-process.js';
import { PlansService } from '../../../src/subscription/index.js';
import { whenNotBusy } from '../patiently.js';
import { startPayments, type Subscriber, type TestPayments } from '../payments.js';
import { locationsAt, startTwoSides, type TwoSides } from '../two-sides.js';

/** Both sides with all that any endpoint needs: providers of payments, and somebody who pays. */
export interface EveryEndpoint extends TwoSides {
  readonly gatekeeper: TestPayments;
  /** Has paid through Stripe, whose events are held from then on. */
  readonly subscriber: Subscriber;
}

export async function startEveryEndpoint(): Promise<EveryEndpoint> {
  const gatekeeper = await startPayments({ TRIAL_DAYS: '7', LOCATIONS_URL: locationsAt(await freePort()) });
  const subscriber = await gatekeeper.subscribe({ person: await gatekeeper.signIn({ emailVerified: false }) });
  gatekeeper.stripe.fake.holdDeliveries();
  gatekeeper.apple.holdDeliveries();
  // Asking everything of everyone spends more than a day's tokens.
  const plans = gatekeeper.service.app.get(PlansService, { strict: false });
  await whenNotBusy(() => plans.set({ id: 'standard', name: 'Standard', dailyTokens: 1_000 }));
  // Nodes that nobody serves are asked for peers again and again; whoever needs one asks again.
  const sides = await startTwoSides({ NODE_ACK_TIMEOUT_MS: '1000' }, gatekeeper);
  return { ...sides, gatekeeper, subscriber };
}
