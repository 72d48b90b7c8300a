import { type PaymentKind, type SubscriptionEventKind, type SubscriptionProvider } from '../prisma/identity/index.js';
import { money } from '../subscription/index.js';

/** An event of a subscription, or a payment. */
export interface HistoryEvent {
  readonly kind: PaymentKind | SubscriptionEventKind;
  readonly provider: SubscriptionProvider;
  /** In minor units; null for events of a subscription. */
  readonly amount: number | null;
  /** ISO 4217, lower case; null for events of a subscription. */
  readonly currency: string | null;
  /** Name of the plan; null for payments. */
  readonly plan: string | null;
  /** End of the access; null for payments. */
  readonly until: Date | null;
}

const providerNames: Readonly<Record<SubscriptionProvider, string>> = {
  stripe: 'Stripe',
  apple: 'the App Store',
  trial: 'a trial',
  operator: 'our support',
};

/** The event as a sentence to its user. */
export function describeHistoryEvent(event: HistoryEvent): string {
  const { kind, provider } = event;
  const [sum, where] = [money(event.amount ?? 0, event.currency ?? 'usd'), providerNames[provider]];
  const [plan, day] = [event.plan ?? '', event.until?.toISOString().slice(0, 10) ?? ''];
  switch (kind) {
    case 'charge':
      return `You paid ${sum} through ${where}.`;
    case 'refund':
      return `You got a refund of ${sum} through ${where}.`;
    case 'dispute':
      return `Your bank disputed a payment of ${sum} through ${where}.`;
    case 'reversal':
      return `A refund or dispute of ${sum} through ${where} was reversed.`;
    case 'started':
      if (provider === 'trial') return `Your trial of ${plan} started; it runs until ${day}.`;
      if (provider === 'operator') return `Our support gave you ${plan} until ${day}.`;
      return `Your ${plan} subscription through ${where} started; it runs until ${day}.`;
    case 'renewed':
      return `Your ${plan} subscription was renewed until ${day}.`;
    case 'cancelled':
      return `Your ${plan} subscription was cancelled; you keep access until ${day}.`;
    case 'resumed':
      return `Your ${plan} subscription was resumed; it renews on ${day}.`;
    case 'payment_failed':
      return `The payment for your ${plan} subscription through ${where} failed; your access lasts until ${day}.`;
    case 'plan_changed':
      return `Your subscription was changed to the ${plan} plan.`;
    case 'expired':
      return provider === 'trial' ? `Your trial of ${plan} ended.` : `Your access on the ${plan} plan ended.`;
    case 'revoked':
      return `Your access on the ${plan} plan was revoked.`;
  }
}
