import { Module } from '@nestjs/common';
import { AuthModule, userEmailChanged } from '../auth/index.js';
import { every, maintenanceJobs } from '../platform/background/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { handles, jobHandlers, onEvent } from '../platform/jobs/index.js';
import { IdentityMaintenance } from '../prisma/identity/index.js';
import { accessGrantedElsewhere, SubscriptionModule } from '../subscription/index.js';
import { AppleClaimsService } from './apple/apple-claims.service.js';
import { AppleRefreshService } from './apple/apple-refresh.service.js';
import { AppleSyncService } from './apple/apple-sync.service.js';
import { AppleClient } from './apple/apple.client.js';
import { AppleController } from './apple/apple.controller.js';
import { OptionalApple } from './apple/optional-apple.js';
import { SubscriptionChangesService } from './subscription-changes.service.js';
import { CheckoutService } from './checkout/checkout.service.js';
import { CheckoutStore } from './checkout/checkout.store.js';
import { CheckoutExpiryService } from './checkout/checkout-expiry.service.js';
import { CustomerEmailService } from './customers/customer-email.service.js';
import { PaymentClosingService } from './customers/payment-closing.service.js';
import { CustomersStore } from './customers/customers.store.js';
import { PaymentHistoryService } from './history/payment-history.service.js';
import { PaymentHistoryStore } from './history/payment-history.store.js';
import { PaymentController } from './payment.controller.js';
import { PlanPricesService } from './plans/plan-prices.service.js';
import { PlanPricesStore } from './plans/plan-prices.store.js';
import { PlansController } from './plans/plans.controller.js';
import { PROVIDER_SYNCS, type ProviderSyncs } from './providers/provider-sync.js';
import { ReconciliationService } from './reconciliation/reconciliation.service.js';
import { ReconciliationStore } from './reconciliation/reconciliation.store.js';
import { OptionalStripe } from './stripe/optional-stripe.js';
import { StripeSyncService } from './stripe/stripe-sync.service.js';
import { StripeClient } from './stripe/stripe.client.js';
import { InboxService } from './webhooks/inbox.service.js';
import { InboxStore } from './webhooks/inbox.store.js';
import { ProviderFetchesService } from './webhooks/provider-fetches.service.js';
import { WebhooksController } from './webhooks/webhooks.controller.js';
import { WebhooksService } from './webhooks/webhooks.service.js';

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
  StripeSyncService,
  AppleSyncService,
  {
    provide: PROVIDER_SYNCS,
    inject: [StripeSyncService, AppleSyncService],
    useFactory: (stripe: StripeSyncService, apple: AppleSyncService): ProviderSyncs => ({ stripe, apple }),
  },
];

const jobs = jobHandlers(
  handles(
    'sync-stripe',
    ProviderFetchesService,
    (fetches, payload, attempt) => fetches.runJob('stripe', payload, attempt),
    {
      onlyIf: (fetches) => fetches.canFetch('stripe'),
    },
  ),
  handles(
    'sync-apple',
    ProviderFetchesService,
    (fetches, payload, attempt) => fetches.runJob('apple', payload, attempt),
    {
      onlyIf: (fetches) => fetches.canFetch('apple'),
    },
  ),
  handles('reconcile-payments', ReconciliationService, (reconciliation) => reconciliation.run(), {
    cron: '17 3 * * *',
  }),
  onEvent(userEmailChanged, CustomerEmailService, (customerEmail, userId) => customerEmail.sync(userId)),
  onEvent(accessGrantedElsewhere, CheckoutExpiryService, (checkouts, userId) => checkouts.expireOpen(userId)),
  // The former names of these two events. Jobs that version 0.1 queued may still have them. Remove in 0.3.
  onEvent('bill-to-address', CustomerEmailService, (customerEmail, userId) => customerEmail.sync(userId)),
  onEvent('close-checkouts', CheckoutExpiryService, (checkouts, userId) => checkouts.expireOpen(userId)),
);

const maintenance = maintenanceJobs(
  IdentityMaintenance,
  every(60, 'payment-inbox-requeue', InboxService, (inbox) => inbox.requeueMissing()),
  every(3_600, 'payment-inbox-purge', InboxService, (inbox) => inbox.purge()),
);

const stores = [CheckoutStore, CustomersStore, InboxStore, PaymentHistoryStore, PlanPricesStore, ReconciliationStore];

/** Payments through Stripe and the App Store: see docs/billing.md. */
@Module({
  imports: [AuthModule, SubscriptionModule],
  controllers: [PlansController, PaymentController, AppleController, WebhooksController],
  providers: [
    ...providers,
    ...stores,
    ...jobs,
    ...maintenance,
    AppleClaimsService,
    AppleRefreshService,
    CustomerEmailService,
    CheckoutService,
    PaymentHistoryService,
    InboxService,
    ProviderFetchesService,
    CheckoutExpiryService,
    PaymentClosingService,
    PlanPricesService,
    ReconciliationService,
    SubscriptionChangesService,
    WebhooksService,
  ],
  exports: [InboxService, PaymentClosingService, PlanPricesService, ReconciliationService],
})
export class PaymentModule {}
