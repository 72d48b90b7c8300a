import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { SubscriptionModule } from '../subscription/index.js';
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
import { Reconciliation } from './reconciliation/reconciliation.service.js';
import { ReconciliationStore } from './reconciliation/reconciliation.store.js';
import { OptionalStripe } from './stripe/optional-stripe.js';
import { StripeSync } from './stripe/stripe-sync.service.js';
import { StripeClient } from './stripe/stripe.client.js';
import { Inbox } from './webhooks/inbox.service.js';
import { InboxStore } from './webhooks/inbox.store.js';
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
];

const stores = [CheckoutStore, CustomersStore, InboxStore, PaymentHistoryStore, PlanPricesStore, ReconciliationStore];

/** How people pay: what Stripe and the App Store tell, looked up and written down; see docs/billing.md. */
@Module({
  imports: [AuthModule, SubscriptionModule],
  controllers: [PlansController, PaymentController, AppleController, WebhooksController],
  providers: [
    ...providers,
    ...stores,
    AppleClaims,
    AppleStanding,
    AppleSync,
    BilledAddresses,
    Checkouts,
    History,
    Inbox,
    OpenCheckouts,
    PaymentClosing,
    PlanPrices,
    Reconciliation,
    StripeSync,
    SubscriptionChanges,
    Webhooks,
  ],
  exports: [Inbox, PaymentClosing, PlanPrices, Reconciliation],
})
export class PaymentModule {}
