/**
 * Currencies whose minor unit at Stripe differs from the one that Intl knows.
 * https://docs.stripe.com/currencies#special-cases
 */
const stripeMinorUnits: Readonly<Record<string, number | undefined>> = { ISK: 2, UGX: 2 };

/** Number of decimal digits in which all payments of a currency are stored. @param currency ISO 4217, in either case */
export function minorDigits(currency: string): number {
  const { maximumFractionDigits = 2 } = formatOf(currency).resolvedOptions();
  return stripeMinorUnits[currency.toUpperCase()] ?? maximumFractionDigits;
}

/** Formats an amount, such as "€4.99" or "¥500". @param amount in minor units, as payments are stored */
export function money(amount: number, currency: string): string {
  return formatOf(currency).format(amount / 10 ** minorDigits(currency));
}

const formatOf = (currency: string) => new Intl.NumberFormat('en', { style: 'currency', currency });
