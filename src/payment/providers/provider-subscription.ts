import { type PaymentKind } from '../../prisma/identity/index.js';
import { type SubscriptionState } from '../../subscription/index.js';

/** A subscription as the provider currently has it. */
export interface ProviderSubscription {
  /** Unique across providers: `stripe:sub_…`, `apple:…`. */
  readonly providerRef: string;
  /** Undefined if this service does not know the provider's status. The stored state is then kept. */
  readonly status: SubscriptionState | undefined;
  /** The provider's price or product, which is mapped to a plan. */
  readonly priceRef: string;
  readonly paidThrough: Date;
  /** End of the last period that was paid for; null before the first payment. */
  readonly settledThrough: Date | null;
  /** End of the grace period after a failed payment. */
  readonly graceUntil: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

/** A movement of money. Amounts are in minor units and never negative. */
export interface Movement {
  /** Unique across providers. Each movement is stored as one row. */
  readonly providerRef: string;
  readonly kind: PaymentKind;
  readonly amount: number;
  readonly currency: string;
  readonly occurredAt: Date;
}
