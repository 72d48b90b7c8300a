import { freePort } from '../../../dev/services/server-process.js';
import { PlansService } from '../../../src/subscription/index.js';
import { whenNotBusy } from '../patiently.js';
import { startPayments, type Subscriber, type TestPayments } from '../payments.js';
import { locationsAt, startTwoSides, type TwoSides } from '../two-sides.js';

/** Both sides with everything that the endpoints need: payment providers and a subscriber. */
export interface EveryEndpoint extends TwoSides {
  readonly gatekeeper: TestPayments;
  /** A user with a Stripe subscription. The providers hold back all later events. */
  readonly subscriber: Subscriber;
}

export async function startEveryEndpoint(): Promise<EveryEndpoint> {
  const gatekeeper = await startPayments({ TRIAL_DAYS: '7', LOCATIONS_URL: locationsAt(await freePort()) });
  const subscriber = await gatekeeper.subscribe({ user: await gatekeeper.signIn({ emailVerified: false }) });
  gatekeeper.stripe.fake.holdDeliveries();
  gatekeeper.apple.holdDeliveries();
  // The tests of all endpoints use more tokens than the default plan allows per day.
  const plans = gatekeeper.service.app.get(PlansService, { strict: false });
  await whenNotBusy(() => plans.set({ id: 'standard', name: 'Standard', dailyTokens: 1_000 }));
  // Some nodes have no agent and never acknowledge a peer. With a short time-out, requests that need a node can retry soon.
  const sides = await startTwoSides({ NODE_ACK_TIMEOUT_MS: '1000' }, gatekeeper);
  return { ...sides, gatekeeper, subscriber };
}
