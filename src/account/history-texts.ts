import { type PaymentKind, type SubscriptionEventKind, type SubscriptionProvider } from '../prisma/identity/index.js';
import { money } from '../subscription/index.js';

/** What happened to a subscription, or to money. */
export interface HistoryEvent {
  readonly kind: PaymentKind | SubscriptionEventKind;
  readonly provider: SubscriptionProvider;
  /** In minor units, where money moved; ISO 4217, lower case. */
  readonly amount: number | null;
  readonly currency: string | null;
  /** Name of the plan, where it was a subscription; and until when it gives access, or gave. */
  readonly plan: string | null;
  readonly until: Date | null;
}

const names: Readonly<Record<SubscriptionProvider, string>> = {
  stripe: 'Stripe',
  apple: 'the App Store',
  trial: 'a trial',
  operator: 'our support',
};

/** What it was, to whoever it happened to. */
export function describeHistoryEvent(what: HistoryEvent): string {
  const { kind, provider } = what;
  const [sum, where] = [money(what.amount ?? 0, what.currency ?? 'usd'), names[provider]];
  const [plan, day] = [what.plan ?? '', what.until?.toISOString().slice(0, 10) ?? ''];
  switch (kind) {
    case 'charge':
      return `You paid ${sum} through ${where}.`;
    case 'refund':
      return `You were given ${sum} back through ${where}.`;
    case 'dispute':
      return `Your bank disputed a payment of ${sum} through ${where}.`;
    case 'reversal':
      return `A refund or dispute of ${sum} through ${where} was undone.`;
    case 'started':
      if (provider === 'trial') return `Your trial of ${plan} began; it runs until ${day}.`;
      if (provider === 'operator') return `Our support gave you ${plan} until ${day}.`;
      return `Your subscription ${plan} through ${where} began; it runs until ${day}.`;
    case 'renewed':
      return `Your subscription ${plan} was renewed until ${day}.`;
    case 'cancelled':
      return `Your subscription ${plan} was cancelled; you keep access until ${day}.`;
    case 'resumed':
      return `The cancellation of your subscription ${plan} was taken back; it runs until ${day} and is then renewed.`;
    case 'payment_failed':
      return `The payment for your subscription ${plan} through ${where} failed; access lasts until ${day}.`;
    case 'plan_changed':
      return `Your subscription moved to the plan ${plan}.`;
    case 'expired':
      return provider === 'trial' ? `Your trial of ${plan} ended.` : `Your access on the plan ${plan} ended.`;
    case 'revoked':
      return `Your access on the plan ${plan} was taken back.`;
  }
}
