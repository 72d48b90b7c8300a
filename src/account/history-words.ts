import { type PaymentKind, type PaymentProvider } from '../prisma/identity/index.js';

export interface MovedMoney {
  readonly kind: PaymentKind;
  readonly provider: PaymentProvider;
  /** In minor units. */
  readonly amount: number;
  /** ISO 4217, lower case. */
  readonly currency: string;
}

const names: Readonly<Record<PaymentProvider, string>> = { stripe: 'Stripe', apple: 'the App Store' };

/** What a movement of money was, to whoever it was the money of. */
export function movementInWords({ kind, provider, amount, currency }: MovedMoney): string {
  const sum = money(amount, currency);
  const where = names[provider];
  switch (kind) {
    case 'charge':
      return `You paid ${sum} through ${where}.`;
    case 'refund':
      return `You were given ${sum} back through ${where}.`;
    case 'dispute':
      return `Your bank disputed a payment of ${sum} through ${where}.`;
    case 'reversal':
      return `A refund or dispute of ${sum} through ${where} was undone.`;
  }
}

/** Such as "€4.99" or "¥500": how many digits the minor unit has is the currency's affair. */
export function money(amount: number, currency: string): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}
