import { type PaymentKind } from '../../prisma/identity/index.js';
import { type SubscriptionState } from '../../subscription/index.js';

/** A subscription as its provider has it at this moment. */
export interface ProviderSubscription {
  /** Our name for it: `stripe:sub_…`, `apple:…`. */
  readonly providerRef: string;
  /** Undefined when the provider names a status that this service does not know: it then keeps what it has. */
  readonly status: SubscriptionState | undefined;
  /** The price or product, which says the plan. */
  readonly priceRef: string;
  readonly paidThrough: Date;
  /** End of the last period whose money has come; null before the first. */
  readonly settledThrough: Date | null;
  /** Deadline of a failed payment's grace. */
  readonly graceUntil: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

/** Money that moved. Amounts are in minor units and never negative. */
export interface Movement {
  /** Our name for it, one row each. */
  readonly providerRef: string;
  readonly kind: PaymentKind;
  readonly amount: number;
  readonly currency: string;
  readonly occurredAt: Date;
}
