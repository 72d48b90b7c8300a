import { Inject, Injectable } from '@nestjs/common';
import { IdentityCacheService, type User } from '../auth/index.js';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type SubscriptionProvider } from '../prisma/identity/index.js';
import { standardPlanId } from './plans.service.js';
import { type Access, accessAt, type SourceNow } from './subscription-state.js';
import { type SubscriptionReport } from './subscription.schema.js';
import { SubscriptionStore } from './subscription.store.js';
import { TrialGrants } from './trial-grant.js';

const dayMs = 86_400_000;

/** What a person who has access may use. */
export interface Entitlement {
  readonly planId: string;
  /** Distinct tokens per issuer key. */
  readonly dailyTokens: number;
}

/** One of a person's subscriptions, as its provider names it and as it stands now. */
export interface OwnSubscription {
  readonly provider: SubscriptionProvider;
  readonly providerRef: string;
  readonly state: SourceNow['state'];
}

/** Who has access, until when and why; and the one trial that a person may have. */
@Injectable()
export class SubscriptionService {
  private readonly trialGrants: TrialGrants;
  private readonly trialDays: number;

  constructor(
    private readonly store: SubscriptionStore,
    private readonly people: IdentityCacheService,
    private readonly clock: Clock,
    @Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig,
  ) {
    this.trialGrants = new TrialGrants(config.secretKey);
    this.trialDays = config.trialDays;
  }

  /** Undefined when nothing grants the person access at this moment. One statement. */
  async entitlementOf(userId: string, now: Date): Promise<Entitlement | undefined> {
    const { plan } = await this.accessAt(userId, now);
    return plan === null ? undefined : { planId: plan.id, dailyTokens: plan.dailyTokens };
  }

  async report({ userId }: User): Promise<SubscriptionReport> {
    return toReport(await this.accessNow(userId));
  }

  /** One of the person's own subscriptions; undefined for any other id. */
  async own(userId: string, id: string): Promise<OwnSubscription | undefined> {
    const [row, { sources }] = await Promise.all([this.store.own(userId, id), this.accessNow(userId)]);
    const state = sources.find((source) => source.id === id)?.state;
    return row === undefined || state === undefined ? undefined : { ...row, state };
  }

  /**
   * Lets nobody pay who has access already, will be charged again anyway, or would get nothing for it. A trial of ours is
   * no obstacle: it is what people buy after.
   *
   * @throws {AppError} `access_blocked`, `already_subscribed`
   */
  async refuseSecondPayment(userId: string): Promise<void> {
    const access = await this.accessNow(userId);
    refuseBlocked(access);
    const { sources } = access;
    const obstacle = sources.find(isObstacle);
    if (obstacle === undefined) return;
    const { provider, state } = obstacle;
    throw new AppError('already_subscribed', obstacles[provider], { extras: { provider, state } });
  }

  /** @throws {AppError} `access_blocked`, to whom a payment would buy nothing */
  async refuseBlocked(userId: string): Promise<void> {
    refuseBlocked(await this.accessNow(userId));
  }

  /**
   * Starts the person's one trial. Both the account and the verified address must be new to trials, and both are asked of
   * the provider now: a minute-old answer could still call an address verified that has been changed.
   *
   * @throws {AppError} `trial_not_offered`, `email_not_verified`, `trial_already_used`, and as `IdentityCacheService.confirm`
   */
  async startTrial(bearer: User): Promise<SubscriptionReport> {
    if (this.trialDays === 0) throw new AppError('trial_not_offered', 'This service offers no trial.');
    const person = await this.people.confirm(bearer);
    if (person.email === undefined || !person.emailVerified) {
      throw new AppError('email_not_verified', 'A trial needs a verified e-mail address. Verify it, then try again.');
    }
    const now = this.clock.now();
    const granted = await this.store.grantTrial({
      userId: person.userId,
      planId: standardPlanId,
      hashes: this.trialGrants.hashesOf(person.firebaseUid, person.email),
      grantedOn: now,
      paidThrough: new Date(now.getTime() + this.trialDays * dayMs),
    });
    if (!granted) throw new AppError('trial_already_used', 'A trial is once per person. See GET /subscription.');
    return this.report(person);
  }

  async accessNow(userId: string): Promise<Access> {
    return this.accessAt(userId, this.clock.now());
  }

  private async accessAt(userId: string, now: Date): Promise<Access> {
    const { sources, blocks } = await this.store.find(userId);
    return accessAt(now, sources, blocks);
  }
}

function refuseBlocked({ reason }: Access): void {
  if (reason !== 'blocked_dispute' && reason !== 'blocked_abuse') return;
  throw new AppError('access_blocked', 'Access is blocked, so a payment would buy nothing. Contact support.');
}

/** Refunded, but not cancelled, it would be charged again. */
function isObstacle({ provider, state, until }: SourceNow): boolean {
  if (provider === 'trial' || state === 'EXPIRED') return false;
  return state !== 'REVOKED' || (provider === 'stripe' && until === null);
}

const obstacles: Readonly<Record<SubscriptionProvider, string>> = {
  stripe: 'You have a subscription through Stripe. Resume it, change its plan or pay what is owed instead.',
  apple: 'You have a subscription through Apple. Manage it in the settings of your Apple account.',
  operator: 'The operator has given you access; there is nothing to pay.',
  trial: 'You have a trial.',
};

function toReport({ sources, until, ...access }: Access): SubscriptionReport {
  return {
    ...access,
    until: until?.toISOString() ?? null,
    sources: sources.map((source) => ({
      ...source,
      plan: source.plan.id,
      until: source.until?.toISOString() ?? null,
    })),
  };
}
