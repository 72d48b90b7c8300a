/** What a stretch of a subscription's period was billed, in the currency's smallest unit. Times in Unix seconds. */
export interface Debit {
  readonly amount: number;
  readonly start: number;
  readonly end: number;
  readonly price: string;
  /** The line that billed it. */
  readonly line: string;
  readonly invoice: string | null;
}

export interface Credit {
  /** Negative, or zero. */
  readonly amount: number;
  readonly debit: Debit;
}

/** `amount` for the part of a period that remains, to the second, halves away from zero. */
export function share(amount: number, remaining: number, whole: number): number {
  const exact = (Math.abs(amount) * remaining) / whole;
  return Math.sign(amount) * Math.round(exact);
}

/**
 * Credits what is billed and not used after `at`. In flexible billing mode a credit is computed from what was originally
 * debited, one for each debit that reaches beyond, and not from today's price.
 * https://docs.stripe.com/billing/subscriptions/billing-mode/compare
 *
 * @returns the credits, and what stays billed of each debit: together they are what there was.
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
