import { Module } from '@nestjs/common';
import { AuthModule, userEmailChanged } from '../auth/index.js';
import { every, upkeepJobs } from '../platform/background/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { handles, jobHandlers, onEvent } from '../platform/jobs/index.js';
import { IdentityUpkeep } from '../prisma/identity/index.js';
import { accessGranted, SubscriptionModule } from '../subscription/index.js';
import { AppleClaims } from './apple/apple-claims.service.js';
import { AppleStanding } from './apple/apple-standing.service.js';
import { AppleSync } from './apple/apple-sync.service.js';
import { AppleClient } from './apple/apple.client.js';
import { AppleController } from './apple/apple.controller.js';
import { OptionalApple } from './apple/optional-apple.js';
import { SubscriptionChanges } from './changes.service.js';
import { Checkouts } from './checkout/checkout.service.js';
import { CheckoutStore } from './checkout/checkout.store.js';
import { OpenCheckouts } from './checkout/open-checkouts.service.js';
import { BilledAddresses } from './customers/billed-addresses.service.js';
import { PaymentClosing } from './customers/closing.service.js';
import { CustomersStore } from './customers/customers.store.js';
import { History } from './history/history.service.js';
import { PaymentHistoryStore } from './history/payment-history.store.js';
import { PaymentController } from './payment.controller.js';
import { PlanPrices } from './plans/plan-prices.service.js';
import { PlanPricesStore } from './plans/plan-prices.store.js';
import { PlansController } from './plans/plans.controller.js';
import { PROVIDER_SYNCS, type ProviderSyncs } from './providers/provider-sync.js';
import { Reconciliation } from './reconciliation/reconciliation.service.js';
import { ReconciliationStore } from './reconciliation/reconciliation.store.js';
import { OptionalStripe } from './stripe/optional-stripe.js';
import { StripeSync } from './stripe/stripe-sync.service.js';
import { StripeClient } from './stripe/stripe.client.js';
import { Inbox } from './webhooks/inbox.service.js';
import { InboxStore } from './webhooks/inbox.store.js';
import { LookupsService } from './webhooks/lookups.service.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';
import { Webhooks } from './webhooks/webhooks.service.js';

const providers = [
  {
    provide: OptionalStripe,
    inject: [GATEKEEPER_CONFIG],
    useFactory: ({ stripe }: GatekeeperConfig) => new OptionalStripe(stripe && new StripeClient(stripe)),
  },
  {
    provide: OptionalApple,
    inject: [GATEKEEPER_CONFIG],
    useFactory: ({ apple }: GatekeeperConfig) => new OptionalApple(apple && new AppleClient(apple)),
  },
  StripeSync,
  AppleSync,
  {
    provide: PROVIDER_SYNCS,
    inject: [StripeSync, AppleSync],
    useFactory: (stripe: StripeSync, apple: AppleSync): ProviderSyncs => ({ stripe, apple }),
  },
];

const jobs = jobHandlers(
  handles('sync-stripe', LookupsService, (lookups, payload, attempt) => lookups.work('stripe', payload, attempt)),
  handles('sync-apple', LookupsService, (lookups, payload, attempt) => lookups.work('apple', payload, attempt)),
  handles('reconcile-payments', Reconciliation, (reconciliation) => reconciliation.run(), { cron: '17 3 * * *' }),
  onEvent(userEmailChanged, BilledAddresses, (addresses, userId) => addresses.bring(userId)),
  onEvent(accessGranted, OpenCheckouts, (checkouts, userId) => checkouts.close(userId)),
  // What these two events were called before: jobs of those names may still wait when this version replaces the one before.
  onEvent('bill-to-address', BilledAddresses, (addresses, userId) => addresses.bring(userId)),
  onEvent('close-checkouts', OpenCheckouts, (checkouts, userId) => checkouts.close(userId)),
);

const upkeep = upkeepJobs(
  IdentityUpkeep,
  every(60, 'payment-inbox-revive', Inbox, (inbox) => inbox.revive()),
  every(3_600, 'payment-inbox-purge', Inbox, (inbox) => inbox.purge()),
);

const stores = [CheckoutStore, CustomersStore, InboxStore, PaymentHistoryStore, PlanPricesStore, ReconciliationStore];

/** How people pay: what Stripe and the App Store tell, looked up and written down; see docs/billing.md. */
@Module({
  imports: [AuthModule, SubscriptionModule],
  controllers: [PlansController, PaymentController, AppleController, WebhooksController],
  providers: [
    ...providers,
    ...stores,
    ...jobs,
    ...upkeep,
    AppleClaims,
    AppleStanding,
    BilledAddresses,
    Checkouts,
    History,
    Inbox,
    LookupsService,
    OpenCheckouts,
    PaymentClosing,
    PlanPrices,
    Reconciliation,
    SubscriptionChanges,
    Webhooks,
  ],
  exports: [Inbox, PaymentClosing, PlanPrices, Reconciliation],
})
export class PaymentModule {}
