import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { SubscriptionModule } from '../subscription/index.js';
import { AppleClient } from './apple.client.js';
import { AppleController } from './apple.controller.js';
import { AppleClaims } from './apple-claims.service.js';
import { AppleStanding } from './apple-standing.service.js';
import { AppleSync } from './apple-sync.service.js';
import { BilledAddresses } from './billed-addresses.service.js';
import { SubscriptionChanges } from './changes.service.js';
import { Checkouts } from './checkout.service.js';
import { CheckoutStore } from './checkout.store.js';
import { PaymentClosing } from './closing.service.js';
import { CustomersStore } from './customers.store.js';
import { History } from './history.service.js';
import { Inbox } from './inbox.service.js';
import { InboxStore } from './inbox.store.js';
import { OpenCheckouts } from './open-checkouts.service.js';
import { OptionalApple, OptionalStripe } from './optional-providers.js';
import { PaymentController } from './payment.controller.js';
import { PaymentHistoryStore } from './payment-history.store.js';
import { PlanPrices } from './plan-prices.service.js';
import { PlanPricesStore } from './plan-prices.store.js';
import { PlansController } from './plans.controller.js';
import { Reconciliation } from './reconciliation.service.js';
import { ReconciliationStore } from './reconciliation.store.js';
import { StripeClient } from './stripe.client.js';
import { StripeSync } from './stripe-sync.service.js';
import { Webhooks } from './webhooks.service.js';
import { WebhooksController } from './webhooks.controller.js';

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
