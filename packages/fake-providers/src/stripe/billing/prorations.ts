/** The amount billed for a part of a subscription's period, in the currency's smallest unit. Times in Unix seconds. */
export interface Debit {
  readonly amount: number;
  readonly start: number;
  readonly end: number;
  readonly price: string;
  /** The id of the invoice line that billed it. */
  readonly line: string;
  readonly invoice: string | null;
}

export interface Credit {
  /** Negative, or zero. */
  readonly amount: number;
  readonly debit: Debit;
}

/** The part of `amount` for the remaining seconds of a period. Rounds half away from zero. */
export function share(amount: number, remaining: number, whole: number): number {
  const exact = (Math.abs(amount) * remaining) / whole;
  return Math.sign(amount) * Math.round(exact);
}

/**
 * Credits the billed time after `at`. In flexible billing mode each credit is computed from an original debit that ends after
 * `at`, and not from the current price.
 * https://docs.stripe.com/billing/subscriptions/billing-mode/compare
 *
 * @returns the credits, and the debits for the time before `at`. Together they equal the original debits.
 */
export function creditUnused(debits: readonly Debit[], at: number): { credits: Credit[]; kept: Debit[] } {
  const credits: Credit[] = [];
  const kept: Debit[] = [];
  for (const debit of debits) {
    const from = Math.max(at, debit.start);
    if (from >= debit.end) {
      kept.push(debit);
      continue;
    }
    const unused = share(debit.amount, debit.end - from, debit.end - debit.start);
    credits.push({ amount: unused === 0 ? 0 : -unused, debit });
    if (from > debit.start) kept.push({ ...debit, amount: debit.amount - unused, end: from });
  }
  return { credits, kept };
}
