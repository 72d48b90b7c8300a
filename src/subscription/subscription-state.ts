import { type BlockReason, type SubscriptionProvider } from '../prisma/identity/index.js';

/**
 * Access is derived at the question and never stored: any source that grants at this moment, unless the person is blocked.
 * A lapsed `paidThrough` ends access even when no event ever says so.
 */
export type SubscriptionState = 'PENDING' | 'TRIAL' | 'ACTIVE' | 'GRACE' | 'SUSPENDED' | 'EXPIRED' | 'REVOKED';

export interface Plan {
  readonly id: string;
  readonly name: string;
  /** Distinct tokens per issuer key. */
  readonly dailyTokens: number;
}

/** A subscription as it was last heard of. */
export interface Source {
  /** Names it, for those who change it. */
  readonly id: string;
  readonly provider: SubscriptionProvider;
  readonly status: SubscriptionState;
  readonly plan: Plan;
  readonly paidThrough: Date;
  /** Deadline of a failed payment's grace. */
  readonly graceUntil: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

/** A subscription as it stands now. */
export interface SourceNow {
  readonly id: string;
  readonly provider: SubscriptionProvider;
  readonly state: SubscriptionState;
  readonly plan: Plan;
  /** When its access ends, or ended; null when it never gave any. */
  readonly until: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

export interface Access {
  readonly active: boolean;
  /** The most telling state of all sources; NONE without any; REVOKED when blocked. */
  readonly state: SubscriptionState | 'NONE';
  readonly reason: AccessReason;
  /** When the last granting source ends; without one, when access ended; null when there never was any. */
  readonly until: Date | null;
  /** The most generous plan that is granted now. */
  readonly plan: Plan | null;
  /** What the person can do about it; null when all is well. */
  readonly next: NextStep | null;
  readonly sources: readonly SourceNow[];
}

/** What people can do next. */
export const nextActions = ['subscribe', 'finish_payment', 'pay', 'resume', 'cancel_one', 'contact_support'] as const;

interface NextStep {
  readonly action: (typeof nextActions)[number];
  /** Where; null where it is theirs to choose. */
  readonly provider: SubscriptionProvider | null;
}

/** Why there is access or none. */
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

/** From the most to the least telling. */
const reasons: Readonly<Record<SubscriptionState, AccessReason>> = {
  ACTIVE: 'paid',
  TRIAL: 'trial',
  GRACE: 'grace_period',
  PENDING: 'payment_pending',
  SUSPENDED: 'payment_overdue',
  REVOKED: 'revoked',
  EXPIRED: 'expired',
};
export const subscriptionStates = Object.keys(reasons) as readonly SubscriptionState[];

const granting: ReadonlySet<SubscriptionState> = new Set(['TRIAL', 'ACTIVE', 'GRACE']);

export function accessAt(now: Date, sources: readonly Source[], blocks: readonly BlockReason[]): Access {
  const current = sources.map((source) => sourceAt(now, source));
  const grants = current.filter(({ state }) => granting.has(state));
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
    reason: state === undefined ? 'no_subscription' : reasons[state],
    until: latest(grants.length > 0 ? grants : current),
    plan: widestAccess(grants),
    next: nextStep(state, current),
    sources: current,
  };
}

/** By the most telling state; two that both renew are one too many. */
function nextStep(state: SubscriptionState | undefined, sources: readonly SourceNow[]): NextStep | null {
  const telling = sources.filter((source) => source.state === state);
  const [first] = telling;
  switch (state) {
    case 'ACTIVE':
    case 'TRIAL': {
      const paid = telling.filter(({ provider }) => provider === 'stripe' || provider === 'apple');
      const renewing = paid.filter(({ cancelAtPeriodEnd }) => !cancelAtPeriodEnd);
      if (renewing.length > 1) return { action: 'cancel_one', provider: null };
      if (renewing.length > 0) return null;
      if (paid[0] !== undefined) return { action: 'resume', provider: paid[0].provider };
      return telling.some(({ provider }) => provider === 'operator') ? null : { action: 'subscribe', provider: null };
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

/** The table of billing, at one moment. */
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
      // Without a deadline there is no grace beyond what is paid.
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

function latest(sources: readonly SourceNow[]): Date | null {
  const ends = sources.flatMap(({ until }) => (until === null ? [] : [until.getTime()]));
  return ends.length === 0 ? null : new Date(Math.max(...ends));
}

function widestAccess(grants: readonly SourceNow[]): Plan | null {
  const [best] = grants
    .map(({ plan }) => plan)
    .toSorted((a, b) => b.dailyTokens - a.dailyTokens || (a.id < b.id ? -1 : 1));
  return best ?? null;
}
