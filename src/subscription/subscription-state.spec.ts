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

describe('one source', () => {
  it.each<[string, Partial<Source>, boolean, string, string, Date | null]>([
    ['a trial that runs', { status: 'TRIAL' }, true, 'TRIAL', 'trial', future],
    [
      'a trial past its end, though no event said so',
      { status: 'TRIAL', paidThrough: past },
      false,
      'EXPIRED',
      'expired',
      past,
    ],
    ['a trial at the very moment of its end', { status: 'TRIAL', paidThrough: now }, false, 'EXPIRED', 'expired', now],
    ['paid', {}, true, 'ACTIVE', 'paid', future],
    ['paid and cancelled: a flag, not a state', { cancelAtPeriodEnd: true }, true, 'ACTIVE', 'paid', future],
    ['paid until yesterday', { paidThrough: past }, false, 'EXPIRED', 'expired', past],
    [
      'grace that runs',
      { status: 'GRACE', paidThrough: past, graceUntil: future },
      true,
      'GRACE',
      'grace_period',
      future,
    ],
    [
      'grace past its deadline',
      { status: 'GRACE', paidThrough: past, graceUntil: past },
      false,
      'SUSPENDED',
      'payment_overdue',
      past,
    ],
    [
      'grace past its deadline, whatever is paid',
      { status: 'GRACE', graceUntil: past },
      false,
      'SUSPENDED',
      'payment_overdue',
      past,
    ],
    ['grace without a deadline is what is paid', { status: 'GRACE' }, true, 'GRACE', 'grace_period', future],
    [
      'grace without a deadline, and nothing paid',
      { status: 'GRACE', paidThrough: past },
      false,
      'SUSPENDED',
      'payment_overdue',
      past,
    ],
    ['pending', { status: 'PENDING' }, false, 'PENDING', 'payment_pending', null],
    ['suspended, whatever is paid', { status: 'SUSPENDED' }, false, 'SUSPENDED', 'payment_overdue', null],
    ['expired, whatever is paid', { status: 'EXPIRED' }, false, 'EXPIRED', 'expired', null],
    ['revoked, whatever is paid', { status: 'REVOKED' }, false, 'REVOKED', 'revoked', null],
    ['revoked after it had run out', { status: 'REVOKED', paidThrough: past }, false, 'REVOKED', 'revoked', past],
  ])('%s', (_name, overrides, active, state, reason, until) => {
    const access = accessAt(now, [source(overrides)], []);
    expect(access).toMatchObject({ active, state, reason, until, plan: active ? plan : null });
    expect(access.sources).toMatchObject([{ state, until }]);
  });
});

describe('several sources', () => {
  it('none: no access', () => {
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

  it('lasts until the last of them ends, on the most generous plan', () => {
    const large = { id: 'large', name: 'Large', dailyTokens: 100 };
    const soon = new Date('2030-01-11T00:00:00Z');
    const access = accessAt(now, [source({ status: 'TRIAL' }), source({ plan: large, paidThrough: soon })], []);
    expect(access).toMatchObject({ active: true, state: 'ACTIVE', reason: 'paid', plan: large, until: future });
  });

  it('takes no plan from one that does not grant', () => {
    const large = { id: 'large', name: 'Large', dailyTokens: 100 };
    const access = accessAt(now, [source({}), source({ plan: large, status: 'REVOKED' })], []);
    expect(access).toMatchObject({ active: true, plan });
  });

  it('a block takes everything away and says why', () => {
    expect(accessAt(now, [source({})], ['dispute'])).toMatchObject({
      active: false,
      state: 'REVOKED',
      reason: 'blocked_dispute',
      plan: null,
      until: null,
    });
  });
});

describe('what to do next', () => {
  const stripe = source({ provider: 'stripe' });
  const apple = source({ provider: 'apple' });
  const cancelled = { cancelAtPeriodEnd: true };
  it.each<[string, Source[], string | undefined, string | null]>([
    ['nothing, while one paid subscription renews', [stripe], undefined, null],
    ['end one of two that renew', [stripe, apple], 'cancel_one', null],
    ['nothing, when the other of two was cancelled', [stripe, { ...apple, ...cancelled }], undefined, null],
    ['resume what was cancelled', [{ ...apple, ...cancelled }], 'resume', 'apple'],
    ['subscribe, in a trial of ours', [source({ status: 'TRIAL' })], 'subscribe', null],
    ['nothing, with access given by an operator', [source({ provider: 'operator' })], undefined, null],
    ['pay, in grace', [source({ provider: 'stripe', status: 'GRACE' })], 'pay', 'stripe'],
    ['pay, when suspended', [source({ provider: 'apple', status: 'SUSPENDED' })], 'pay', 'apple'],
    ['finish the payment', [source({ provider: 'stripe', status: 'PENDING' })], 'finish_payment', 'stripe'],
    ['subscribe again', [source({ provider: 'stripe', status: 'EXPIRED' })], 'subscribe', null],
    ['subscribe again after a refund', [source({ provider: 'stripe', status: 'REVOKED' })], 'subscribe', null],
  ])('%s', (_what, sources, action, provider) => {
    expect(accessAt(now, sources, []).next).toEqual(action === undefined ? null : { action, provider });
  });

  it('ask, when blocked', () => {
    expect(accessAt(now, [stripe], ['abuse']).next).toEqual({ action: 'contact_support', provider: null });
  });
});

describe('laws', () => {
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

  it('there is access exactly while one source alone would give it', () => {
    fc.assert(
      fc.property(sources, moments, (all, at) => {
        expect(accessAt(at, all, []).active).toBe(all.some((one) => accessAt(at, [one], []).active));
      }),
    );
  });

  it('time alone never gives access, nor a better plan', () => {
    fc.assert(
      fc.property(sources, moments, moments, (all, a, b) => {
        const [earlier, later] = [a, b].toSorted((x, y) => x.getTime() - y.getTime()) as [Date, Date];
        const quota = (at: Date) => accessAt(at, all, []).plan?.dailyTokens ?? -1;
        expect(quota(later)).toBeLessThanOrEqual(quota(earlier));
      }),
    );
  });

  it('access lasts until the moment it says, and not a moment longer', () => {
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

  it('the order of sources says nothing', () => {
    fc.assert(
      fc.property(sources, moments, (all, at) => {
        // Which of several providers is named first is theirs to say.
        const { sources: _, next: __, ...one } = accessAt(at, all, []);
        expect(accessAt(at, all.toReversed(), [])).toMatchObject(one);
      }),
    );
  });

  it('no source helps against a block', () => {
    fc.assert(
      fc.property(sources, moments, fc.constantFrom('dispute' as const, 'abuse' as const), (all, at, block) => {
        expect(accessAt(at, all, [block])).toMatchObject({ active: false, plan: null });
      }),
    );
  });
});
