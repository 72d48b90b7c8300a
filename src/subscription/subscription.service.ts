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

/** What a user with access may use. */
export interface Entitlement {
  readonly planId: string;
  /** Distinct tokens per issuer key. */
  readonly dailyTokens: number;
}

/** One of a user's subscriptions, with its provider's reference and its current state. */
export interface OwnSubscription {
  readonly provider: SubscriptionProvider;
  readonly providerRef: string;
  readonly state: SourceNow['state'];
}

/** Reports a user's access, and starts a user's one trial. */
@Injectable()
export class SubscriptionService {
  private readonly trialGrants: TrialGrants;
  private readonly trialDays: number;

  constructor(
    private readonly store: SubscriptionStore,
    private readonly identities: IdentityCacheService,
    private readonly clock: Clock,
    @Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig,
  ) {
    this.trialGrants = new TrialGrants(config.secretKey);
    this.trialDays = config.trialDays;
  }

  /** Undefined if the user has no access at this moment. Costs one statement. */
  async entitlementOf(userId: string, now: Date): Promise<Entitlement | undefined> {
    const { plan } = await this.accessAt(userId, now);
    return plan === null ? undefined : { planId: plan.id, dailyTokens: plan.dailyTokens };
  }

  async report({ userId }: User): Promise<SubscriptionReport> {
    return toReport(await this.accessNow(userId));
  }

  /** One of the user's own subscriptions; undefined for another user's. */
  async own(userId: string, id: string): Promise<OwnSubscription | undefined> {
    const [row, { sources }] = await Promise.all([this.store.own(userId, id), this.accessNow(userId)]);
    const state = sources.find((source) => source.id === id)?.state;
    return row === undefined || state === undefined ? undefined : { ...row, state };
  }

  /**
   * Refuses a payment by a user who already has access, will be charged again anyway, or is blocked. Our own trial is no
   * obstacle: users subscribe during or after it.
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
    throw new AppError('already_subscribed', alreadySubscribedDetails[provider], { extras: { provider, state } });
  }

  /** @throws {AppError} `access_blocked`: a payment would not give access */
  async refuseBlocked(userId: string): Promise<void> {
    refuseBlocked(await this.accessNow(userId));
  }

  /**
   * Starts the user's one trial. Neither the account nor the verified address may have had one. Both are fetched from the
   * identity provider now: a cached answer could still show a verified address that has since been changed.
   *
   * @throws {AppError} `trial_not_offered`, `email_not_verified`, `trial_already_used`, and as `IdentityCacheService.confirm`
   */
  async startTrial(tokenUser: User): Promise<SubscriptionReport> {
    if (this.trialDays === 0) throw new AppError('trial_not_offered', 'This service offers no trial.');
    const user = await this.identities.confirm(tokenUser);
    if (user.email === undefined || !user.emailVerified) {
      throw new AppError(
        'email_not_verified',
        'A trial requires a verified e-mail address. Verify yours, then try again.',
      );
    }
    const now = this.clock.now();
    const granted = await this.store.grantTrial({
      userId: user.userId,
      planId: standardPlanId,
      hashes: this.trialGrants.hashesOf(user.firebaseUid, user.email),
      grantedOn: now,
      paidThrough: new Date(now.getTime() + this.trialDays * dayMs),
    });
    if (!granted) throw new AppError('trial_already_used', 'Each user can have one trial only. See GET /subscription.');
    return this.report(user);
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
  throw new AppError('access_blocked', 'Access is blocked, and a payment would not change that. Contact support.');
}

/** A subscription that was refunded but not cancelled counts too: Stripe would charge for it again. */
function isObstacle({ provider, state, until }: SourceNow): boolean {
  if (provider === 'trial' || state === 'EXPIRED') return false;
  return state !== 'REVOKED' || (provider === 'stripe' && until === null);
}

const alreadySubscribedDetails: Readonly<Record<SubscriptionProvider, string>> = {
  stripe:
    'You already subscribe through Stripe. Resume the subscription, change its plan or pay its open invoice instead.',
  apple: 'You already subscribe through Apple. Manage the subscription in the settings of your Apple account.',
  operator: 'The operator has granted you access. You do not need to pay.',
  trial: 'You already have a trial.',
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
