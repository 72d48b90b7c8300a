import { createHash } from 'node:crypto';
import { type Account } from '../account.js';
import { type DeclineCode } from '../hidden.js';

/** The bank's decision on a card or a charge. */
export type Verdict = 'approved' | DeclineCode;

interface CardBehaviour {
  /** When the card is attached to a customer. */
  readonly attach: Verdict;
  readonly charge: Verdict;
}

/** Stripe's own test cards: https://docs.stripe.com/testing. Any other number is a valid card. */
const testCards: Readonly<Record<string, CardBehaviour>> = {
  '4000000000000002': { attach: 'generic_decline', charge: 'generic_decline' },
  '4000000000009995': { attach: 'insufficient_funds', charge: 'insufficient_funds' },
  '4000000000009987': { attach: 'lost_card', charge: 'lost_card' },
  '4000000000009979': { attach: 'stolen_card', charge: 'stolen_card' },
  '4000000000000069': { attach: 'expired_card', charge: 'expired_card' },
  // "Decline after attaching": accepted for a trial, declined when it is charged.
  '4000000000000341': { attach: 'approved', charge: 'generic_decline' },
  // "Always authenticate": the customer can authenticate at Checkout, but not at a renewal.
  '4000002760003184': { attach: 'approved', charge: 'authentication_required' },
};

/** The banks that decide on charges. */
export class Bank {
  constructor(private readonly account: Account) {}

  /** @returns the decision on attaching the card at Checkout, where the customer can authenticate. */
  attach(number: string): Verdict {
    return testCards[number]?.attach ?? 'approved';
  }

  /** @param present whether the customer is on a page and can authenticate. */
  charge(customer: string, paymentMethod: string, present: boolean): Verdict {
    const verdict = this.previewCharge(customer, paymentMethod, present);
    const behaviour = this.account.hidden.behaviours[customer];
    if (behaviour?.times) behaviour.times -= 1;
    return verdict;
  }

  /** @returns the verdict that `charge` would give, without counting it. */
  previewCharge(customer: string, paymentMethod: string, present: boolean): Verdict {
    const behaviour = this.account.hidden.behaviours[customer];
    const card = testCards[this.account.hidden.cards[paymentMethod] ?? ''];
    const verdict = behaviour && behaviour.times !== 0 ? behaviour.decline : (card?.charge ?? 'approved');
    return verdict === 'authentication_required' && present ? 'approved' : verdict;
  }

  /** Declines later charges of the customer. @param times null for all of them. */
  decline(customer: string, decline: DeclineCode, times: number | null): void {
    this.account.hidden.behaviours[customer] = { decline, times };
  }

  accept(customer: string): void {
    delete this.account.hidden.behaviours[customer];
  }
}

/**
 * The fingerprint depends only on the card number: "you can use this attribute to check whether two customers who've signed up
 * with you are using the same card number". https://docs.stripe.com/api/payment_methods/object
 */
export function fingerprintOf(account: Account, number: string): string {
  const digest = createHash('sha256').update(`${account.random.seed}:${number}`).digest('base64');
  return digest.replace(/[^A-Za-z0-9]/g, '').slice(0, 16);
}
