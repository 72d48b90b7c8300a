/** What an account sets in its Dashboard, and the delays that Stripe does not let it set. */
export interface BillingSettings {
  /**
   * Days from each failed attempt to the next. https://docs.stripe.com/invoicing/automatic-collection: a custom schedule has
   * up to three retries.
   */
  readonly retryAfterDays: readonly number[];
  /** What becomes of a subscription when the last retry has failed. */
  readonly afterRetries: 'cancel' | 'unpaid' | 'past_due';
  /**
   * How long a renewal's invoice stays a draft before it is finalized and charged: about an hour.
   * https://docs.stripe.com/billing/subscriptions/overview
   */
  readonly draftSeconds: number;
  /**
   * Dashboard, "Manage disputed payments". https://docs.stripe.com/billing/subscriptions/disputes; the reason that the
   * subscription gives is `payment_disputed`.
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

/** A first invoice that nobody pays ends its subscription. https://docs.stripe.com/billing/subscriptions/overview */
export const incompleteSeconds = 23 * 3600;

/**
 * Less than this cannot be charged: it is added to what the customer owes, and due with the next invoice. In cents; what
 * https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts says for dollars and euros.
 */
export const minCharge = 50;
