import { type BlockReason, type SubscriptionProvider } from '../prisma/identity/index.js';

/**
 * Access is computed when it is needed and never stored: a user has access while any of their sources grants it, unless they
 * are blocked. So access ends at `paidThrough` even if the provider's event never arrives.
 */
export type SubscriptionState = 'PENDING' | 'TRIAL' | 'ACTIVE' | 'GRACE' | 'SUSPENDED' | 'EXPIRED' | 'REVOKED';

export interface Plan {
  readonly id: string;
  readonly name: string;
  /** Distinct tokens per issuer key. */
  readonly dailyTokens: number;
}

/** A subscription as it is stored. */
export interface Source {
  /** For requests that change it. */
  readonly id: string;
  readonly provider: SubscriptionProvider;
  readonly status: SubscriptionState;
  readonly plan: Plan;
  readonly paidThrough: Date;
  /** End of the grace period after a failed payment. */
  readonly graceUntil: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

/** A subscription with its state at one moment. */
export interface SourceNow {
  readonly id: string;
  readonly provider: SubscriptionProvider;
  readonly state: SubscriptionState;
  readonly plan: Plan;
  /** When its access ends or ended; null if it never gave access, or lost it before `paidThrough`. */
  readonly until: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

export interface Access {
  readonly active: boolean;
  /** The most relevant state of all sources; NONE without sources; REVOKED if blocked. */
  readonly state: SubscriptionState | 'NONE';
  readonly reason: AccessReason;
  /** When the last granting source ends; if none grants, when access ended; null if there never was access. */
  readonly until: Date | null;
  /** The most generous plan of the sources that grant access now. */
  readonly plan: Plan | null;
  /** What the user should do next; null if nothing. */
  readonly next: NextStep | null;
  readonly sources: readonly SourceNow[];
}

export const nextActions = ['subscribe', 'finish_payment', 'pay', 'resume', 'cancel_one', 'contact_support'] as const;

interface NextStep {
  readonly action: (typeof nextActions)[number];
  /** Where to do it; null if the user may choose. */
  readonly provider: SubscriptionProvider | null;
}

/** Why the user has access or not. */
export const accessReasons = [
  'paid',
  'trial',
  'grace_period',
  'payment_pending',
  'payment_overdue',
  'revoked',
  'expired',
  'no_subscription',
  'blocked_dispute',
  'blocked_abuse',
] as const;
export type AccessReason = (typeof accessReasons)[number];

/** From the most to the least relevant state: this order decides which state is reported. */
const reasonOfState: Readonly<Record<SubscriptionState, AccessReason>> = {
  ACTIVE: 'paid',
  TRIAL: 'trial',
  GRACE: 'grace_period',
  PENDING: 'payment_pending',
  SUSPENDED: 'payment_overdue',
  REVOKED: 'revoked',
  EXPIRED: 'expired',
};
export const subscriptionStates = Object.keys(reasonOfState) as readonly SubscriptionState[];

const grantingStates: ReadonlySet<SubscriptionState> = new Set(['TRIAL', 'ACTIVE', 'GRACE']);

export function accessAt(now: Date, sources: readonly Source[], blocks: readonly BlockReason[]): Access {
  const current = sources.map((source) => sourceAt(now, source));
  const grants = current.filter(({ state }) => grantingStates.has(state));
  const [block] = blocks;
  if (block !== undefined) {
    const next = { action: 'contact_support', provider: null } as const;
    return {
      active: false,
      state: 'REVOKED',
      reason: `blocked_${block}`,
      until: null,
      plan: null,
      next,
      sources: current,
    };
  }
  const state = subscriptionStates.find((candidate) => current.some((source) => source.state === candidate));
  return {
    active: grants.length > 0,
    state: state ?? 'NONE',
    reason: state === undefined ? 'no_subscription' : reasonOfState[state],
    until: latestEnd(grants.length > 0 ? grants : current),
    plan: bestPlan(grants),
    next: nextStep(state, current),
    sources: current,
  };
}

/** Depends on the most relevant state. A user with two renewing subscriptions should cancel one. */
function nextStep(state: SubscriptionState | undefined, sources: readonly SourceNow[]): NextStep | null {
  const relevant = sources.filter((source) => source.state === state);
  const [first] = relevant;
  switch (state) {
    case 'ACTIVE':
    case 'TRIAL': {
      const paid = relevant.filter(({ provider }) => provider === 'stripe' || provider === 'apple');
      const renewing = paid.filter(({ cancelAtPeriodEnd }) => !cancelAtPeriodEnd);
      if (renewing.length > 1) return { action: 'cancel_one', provider: null };
      if (renewing.length > 0) return null;
      if (paid[0] !== undefined) return { action: 'resume', provider: paid[0].provider };
      return relevant.some(({ provider }) => provider === 'operator') ? null : { action: 'subscribe', provider: null };
    }
    case 'GRACE':
    case 'SUSPENDED':
      return { action: 'pay', provider: first?.provider ?? null };
    case 'PENDING':
      return { action: 'finish_payment', provider: first?.provider ?? null };
    case 'REVOKED':
    case 'EXPIRED':
    case undefined:
      return { action: 'subscribe', provider: null };
  }
}

/** The state of one source at a moment: the table in docs/billing.md. */
function sourceAt(
  now: Date,
  { id, provider, status, plan, paidThrough, graceUntil, cancelAtPeriodEnd }: Source,
): SourceNow {
  const common = { id, provider, plan, cancelAtPeriodEnd };
  switch (status) {
    case 'TRIAL':
    case 'ACTIVE':
      return { ...common, state: now < paidThrough ? status : 'EXPIRED', until: paidThrough };
    case 'GRACE': {
      // Without a grace deadline, access ends with the paid period.
      const until = graceUntil ?? paidThrough;
      return { ...common, state: now < until ? 'GRACE' : 'SUSPENDED', until };
    }
    case 'PENDING':
      return { ...common, state: status, until: null };
    case 'SUSPENDED':
    case 'EXPIRED':
    case 'REVOKED':
      return { ...common, state: status, until: paidThrough <= now ? paidThrough : null };
  }
}

function latestEnd(sources: readonly SourceNow[]): Date | null {
  const ends = sources.flatMap(({ until }) => (until === null ? [] : [until.getTime()]));
  return ends.length === 0 ? null : new Date(Math.max(...ends));
}

function bestPlan(grants: readonly SourceNow[]): Plan | null {
  const [best] = grants
    .map(({ plan }) => plan)
    .toSorted((a, b) => b.dailyTokens - a.dailyTokens || (a.id < b.id ? -1 : 1));
  return best ?? null;
}
