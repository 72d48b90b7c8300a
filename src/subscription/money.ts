/**
 * Where the unit that Stripe counts in is not the currency's minor unit, which Intl knows.
 * https://docs.stripe.com/currencies#special-cases
 */
const stripeMinorUnits: Readonly<Record<string, number | undefined>> = { ISK: 2, UGX: 2 };

/** How many digits of an amount are behind the point, as payments of every provider are kept. @param currency ISO 4217, in either case */
export function minorDigits(currency: string): number {
  const { maximumFractionDigits = 2 } = formatOf(currency).resolvedOptions();
  return stripeMinorUnits[currency.toUpperCase()] ?? maximumFractionDigits;
}

/** Such as "€4.99" or "¥500". @param amount in the currency's minor unit, as payments are kept */
export function money(amount: number, currency: string): string {
  return formatOf(currency).format(amount / 10 ** minorDigits(currency));
}

const formatOf = (currency: string) => new Intl.NumberFormat('en', { style: 'currency', currency });
