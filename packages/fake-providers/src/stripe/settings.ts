/** An account's settings in the Dashboard, and delays that are fixed at Stripe. */
export interface BillingSettings {
  /**
   * Days from each failed attempt to the next. A custom schedule has up to three retries:
   * https://docs.stripe.com/invoicing/automatic-collection
   */
  readonly retryAfterDays: readonly number[];
  /** What happens to a subscription when the last retry has failed. */
  readonly afterRetries: 'cancel' | 'unpaid' | 'past_due';
  /**
   * How long a renewal's invoice is a draft before it is finalized and charged: about an hour.
   * https://docs.stripe.com/billing/subscriptions/overview
   */
  readonly draftSeconds: number;
  /**
   * "Manage disputed payments" in the Dashboard: https://docs.stripe.com/billing/subscriptions/disputes. A canceled
   * subscription has the cancellation reason `payment_disputed`.
   */
  readonly onDispute: 'keep' | 'cancel';
}

export const defaultSettings: BillingSettings = {
  retryAfterDays: [3, 5, 7],
  afterRetries: 'cancel',
  draftSeconds: 3600,
  onDispute: 'keep',
};

export const day = 86_400;

/** A subscription expires when its first invoice is not paid in this time. https://docs.stripe.com/billing/subscriptions/overview */
export const incompleteSeconds = 23 * 3600;

/**
 * The minimum charge in cents, for dollars and euros. A smaller amount is added to the customer's balance and due with the
 * next invoice. https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 */
export const minCharge = 50;
