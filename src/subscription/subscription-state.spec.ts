import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accessAt, type Source, subscriptionStates } from './subscription-state.js';

const now = new Date('2030-01-10T12:00:00Z');
const past = new Date('2030-01-09T00:00:00Z');
const future = new Date('2030-01-20T00:00:00Z');
const plan = { id: 'standard', name: 'Standard', dailyTokens: 32 };

const source = (overrides: Partial<Source>): Source => ({
  id: '00000000-0000-4000-8000-000000000001',
  provider: 'trial',
  status: 'ACTIVE',
  plan,
  paidThrough: future,
  graceUntil: null,
  cancelAtPeriodEnd: false,
  ...overrides,
});

describe('accessAt with one source', () => {
  it.each<[string, Partial<Source>, boolean, string, string, Date | null]>([
    ['a running trial', { status: 'TRIAL' }, true, 'TRIAL', 'trial', future],
    [
      'a trial past its end, without an event',
      { status: 'TRIAL', paidThrough: past },
      false,
      'EXPIRED',
      'expired',
      past,
    ],
    ['a trial at the moment of its end', { status: 'TRIAL', paidThrough: now }, false, 'EXPIRED', 'expired', now],
    ['a paid subscription', {}, true, 'ACTIVE', 'paid', future],
    [
      'a paid subscription that was cancelled, which is a flag and no state',
      { cancelAtPeriodEnd: true },
      true,
      'ACTIVE',
      'paid',
      future,
    ],
    ['a subscription paid until yesterday', { paidThrough: past }, false, 'EXPIRED', 'expired', past],
    [
      'a running grace period',
      { status: 'GRACE', paidThrough: past, graceUntil: future },
      true,
      'GRACE',
      'grace_period',
      future,
    ],
    [
      'a grace period past its deadline',
      { status: 'GRACE', paidThrough: past, graceUntil: past },
      false,
      'SUSPENDED',
      'payment_overdue',
      past,
    ],
    [
      'a grace period past its deadline, although paid through later',
      { status: 'GRACE', graceUntil: past },
      false,
      'SUSPENDED',
      'payment_overdue',
      past,
    ],
    ['a grace period without a deadline, while paid', { status: 'GRACE' }, true, 'GRACE', 'grace_period', future],
    [
      'a grace period without a deadline, no longer paid',
      { status: 'GRACE', paidThrough: past },
      false,
      'SUSPENDED',
      'payment_overdue',
      past,
    ],
    ['a pending subscription', { status: 'PENDING' }, false, 'PENDING', 'payment_pending', null],
    ['a suspended subscription, although paid', { status: 'SUSPENDED' }, false, 'SUSPENDED', 'payment_overdue', null],
    ['an expired subscription, although paid', { status: 'EXPIRED' }, false, 'EXPIRED', 'expired', null],
    ['a revoked subscription, although paid', { status: 'REVOKED' }, false, 'REVOKED', 'revoked', null],
    [
      'a subscription that was revoked after its end',
      { status: 'REVOKED', paidThrough: past },
      false,
      'REVOKED',
      'revoked',
      past,
    ],
  ])('derives access from %s', (_name, overrides, active, state, reason, until) => {
    const access = accessAt(now, [source(overrides)], []);
    expect(access).toMatchObject({ active, state, reason, until, plan: active ? plan : null });
    expect(access.sources).toMatchObject([{ state, until }]);
  });
});

describe('accessAt with several sources', () => {
  it('gives no access without any source', () => {
    expect(accessAt(now, [], [])).toEqual({
      active: false,
      state: 'NONE',
      reason: 'no_subscription',
      until: null,
      plan: null,
      next: { action: 'subscribe', provider: null },
      sources: [],
    });
  });

  it('gives access until the last one ends, on the most generous plan', () => {
    const large = { id: 'large', name: 'Large', dailyTokens: 100 };
    const soon = new Date('2030-01-11T00:00:00Z');
    const access = accessAt(now, [source({ status: 'TRIAL' }), source({ plan: large, paidThrough: soon })], []);
    expect(access).toMatchObject({ active: true, state: 'ACTIVE', reason: 'paid', plan: large, until: future });
  });

  it('ignores the plan of a source that gives no access', () => {
    const large = { id: 'large', name: 'Large', dailyTokens: 100 };
    const access = accessAt(now, [source({}), source({ plan: large, status: 'REVOKED' })], []);
    expect(access).toMatchObject({ active: true, plan });
  });

  it('gives no access to a blocked user, and reports the reason', () => {
    expect(accessAt(now, [source({})], ['dispute'])).toMatchObject({
      active: false,
      state: 'REVOKED',
      reason: 'blocked_dispute',
      plan: null,
      until: null,
    });
  });
});

describe('accessAt: the next step', () => {
  const stripe = source({ provider: 'stripe' });
  const apple = source({ provider: 'apple' });
  const cancelled = { cancelAtPeriodEnd: true };
  it.each<[string, Source[], string | undefined, string | null]>([
    ['nothing while one paid subscription renews', [stripe], undefined, null],
    ['to cancel one of two that renew', [stripe, apple], 'cancel_one', null],
    ['nothing when one of two was cancelled', [stripe, { ...apple, ...cancelled }], undefined, null],
    ['to resume a cancelled subscription', [{ ...apple, ...cancelled }], 'resume', 'apple'],
    ['to subscribe during our own trial', [source({ status: 'TRIAL' })], 'subscribe', null],
    ['nothing with access granted by an operator', [source({ provider: 'operator' })], undefined, null],
    ['to pay in the grace period', [source({ provider: 'stripe', status: 'GRACE' })], 'pay', 'stripe'],
    ['to pay when suspended', [source({ provider: 'apple', status: 'SUSPENDED' })], 'pay', 'apple'],
    ['to finish a pending payment', [source({ provider: 'stripe', status: 'PENDING' })], 'finish_payment', 'stripe'],
    ['to subscribe again after the end', [source({ provider: 'stripe', status: 'EXPIRED' })], 'subscribe', null],
    ['to subscribe again after a refund', [source({ provider: 'stripe', status: 'REVOKED' })], 'subscribe', null],
  ])('suggests %s', (_what, sources, action, provider) => {
    expect(accessAt(now, sources, []).next).toEqual(action === undefined ? null : { action, provider });
  });

  it('suggests to contact support when blocked', () => {
    expect(accessAt(now, [stripe], ['abuse']).next).toEqual({ action: 'contact_support', provider: null });
  });
});

describe('accessAt: properties', () => {
  const moments = fc.date({
    min: new Date('2029-12-01T00:00:00Z'),
    max: new Date('2030-02-20T00:00:00Z'),
    noInvalidDate: true,
  });
  const plans = fc.constantFrom(
    plan,
    { id: 'large', name: 'Large', dailyTokens: 100 },
    { id: 'a', name: 'A', dailyTokens: 32 },
  );
  const anySource = fc.record<Source>({
    id: fc.uuid(),
    provider: fc.constantFrom('trial', 'stripe', 'apple', 'operator'),
    status: fc.constantFrom(...subscriptionStates),
    plan: plans,
    paidThrough: moments,
    graceUntil: fc.option(moments),
    cancelAtPeriodEnd: fc.boolean(),
  });
  const sources = fc.array(anySource, { maxLength: 5 });

  it('gives access exactly when one of the sources alone would', () => {
    fc.assert(
      fc.property(sources, moments, (all, at) => {
        expect(accessAt(at, all, []).active).toBe(all.some((one) => accessAt(at, [one], []).active));
      }),
    );
  });

  it('never gives access or a better plan through time alone', () => {
    fc.assert(
      fc.property(sources, moments, moments, (all, a, b) => {
        const [earlier, later] = [a, b].toSorted((x, y) => x.getTime() - y.getTime()) as [Date, Date];
        const quota = (at: Date) => accessAt(at, all, []).plan?.dailyTokens ?? -1;
        expect(quota(later)).toBeLessThanOrEqual(quota(earlier));
      }),
    );
  });

  it('ends access exactly at the reported time', () => {
    fc.assert(
      fc.property(sources, moments, (all, at) => {
        const { active, until } = accessAt(at, all, []);
        if (!active || until === null) return;
        expect(until > at).toBe(true);
        expect(accessAt(new Date(until.getTime() - 1), all, []).active).toBe(true);
        expect(accessAt(until, all, []).active).toBe(false);
      }),
    );
  });

  it('does not depend on the order of the sources', () => {
    fc.assert(
      fc.property(sources, moments, (all, at) => {
        // The order decides only which of several providers the next step names.
        const { sources: _, next: __, ...one } = accessAt(at, all, []);
        expect(accessAt(at, all.toReversed(), [])).toMatchObject(one);
      }),
    );
  });

  it('gives no access to a blocked user, whatever the sources', () => {
    fc.assert(
      fc.property(sources, moments, fc.constantFrom('dispute' as const, 'abuse' as const), (all, at, block) => {
        expect(accessAt(at, all, [block])).toMatchObject({ active: false, plan: null });
      }),
    );
  });
});
