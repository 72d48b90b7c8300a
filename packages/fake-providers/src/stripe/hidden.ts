import type Stripe from 'stripe';
import { type Debit } from './billing/prorations.js';

/** A bank's reason to decline. https://docs.stripe.com/declines/codes */
export type DeclineCode =
  'authentication_required' | 'expired_card' | 'generic_decline' | 'insufficient_funds' | 'lost_card' | 'stolen_card';

/** A customer's bank that declines charges. */
interface Behaviour {
  readonly decline: DeclineCode;
  /** The number of charges left to decline; null for all charges. */
  times: number | null;
}

/** What a Checkout session sells. */
export interface Purchase {
  readonly price: string;
  readonly quantity: number;
  readonly trialDays: number | null;
  readonly missingPaymentMethod: 'cancel' | 'create_invoice' | 'pause';
  readonly metadata: Stripe.Metadata;
}

/** The state that the API's objects do not show, by the id of the object. The names are those in the stored file. */
export interface Hidden {
  /** The card number of each payment method. */
  readonly cards: Record<string, string>;
  /** The behaviour of each customer's bank, when a test has set one. */
  readonly behaviours: Record<string, Behaviour>;
  /** The amounts billed for the current period of each subscription item, without those already credited. */
  readonly debits: Record<string, Debit[]>;
  /** The purchase of each Checkout session. */
  readonly purchases: Record<string, Purchase>;
  /** The subscription that each Checkout session started, paid or not. */
  readonly begun: Record<string, string>;
  /** The signing secret of each webhook endpoint. */
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
