import type Stripe from 'stripe';
import { type Debit } from './billing/prorations.js';

/** Why a bank declines. https://docs.stripe.com/declines/codes */
export type DeclineCode =
  'authentication_required' | 'expired_card' | 'generic_decline' | 'insufficient_funds' | 'lost_card' | 'stolen_card';

/** A bank that declines so many times, or until it is told otherwise. */
interface Behaviour {
  readonly decline: DeclineCode;
  times: number | null;
}

/** What the buyer chose when a Checkout session was made. */
export interface Purchase {
  readonly price: string;
  readonly quantity: number;
  readonly trialDays: number | null;
  readonly missingPaymentMethod: 'cancel' | 'create_invoice' | 'pause';
  readonly metadata: Stripe.Metadata;
}

/** What Stripe knows beyond the objects that it shows, by their ids. */
export interface Hidden {
  /** The number of a payment method's card. */
  readonly cards: Record<string, string>;
  /** How a customer's bank treats charges, when a test has told it to. */
  readonly behaviours: Record<string, Behaviour>;
  /** What a subscription item's running period was billed, so far as it has not been credited. */
  readonly debits: Record<string, Debit[]>;
  /** What a Checkout session sells. */
  readonly purchases: Record<string, Purchase>;
  /** The subscription that a Checkout session has begun, paid or not. */
  readonly begun: Record<string, string>;
  /** What a webhook endpoint's deliveries are signed with. */
  readonly webhookSecrets: Record<string, string>;
}

export const nothingHidden = (): Hidden => ({
  cards: {},
  behaviours: {},
  debits: {},
  purchases: {},
  begun: {},
  webhookSecrets: {},
});
