import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type AuditEvent, type BlockReason } from '../prisma/identity/index.js';
import { type Account, OperatorAccessStore, type OperatorAct } from './operator-access.store.js';
import { PlansService } from './plans.service.js';
import { type Access } from './subscription-state.js';
import { SubscriptionService } from './subscription.service.js';

/** The operator who acts, and why. Both are written to the audit log. */
export interface Operator {
  readonly actor: string;
  /** Up to 500 characters. */
  readonly reason: string;
}

export interface AccountAccess {
  readonly account: Account;
  readonly access: Access;
  /** What operators did to this account, newest first. */
  readonly audit: readonly AuditEvent[];
}

const dayMs = 86_400_000;

/** Operators' changes to users' access. Each is audited in the same statement. */
@Injectable()
export class OperatorAccessService {
  constructor(
    private readonly store: OperatorAccessStore,
    private readonly plans: PlansService,
    private readonly subscriptions: SubscriptionService,
    private readonly clock: Clock,
  ) {}

  /** @param name the user's id, Firebase UID or e-mail address */
  async show(name: string): Promise<AccountAccess> {
    const account = await this.accountOf(name);
    const { userId } = account;
    const [access, audit] = await Promise.all([this.subscriptions.accessNow(userId), this.store.history(userId)]);
    return { account, access, audit };
  }

  /** Grants access on a plan for some days, in addition to the user's other subscriptions. @returns when the grant ends */
  async grant(name: string, { planId, days }: { planId: string; days: number }, operator: Operator): Promise<Date> {
    if (!Number.isInteger(days) || days < 1 || days > 3_660)
      throw new AppError('invalid_request', 'days: expected 1 to 3660.');
    if (!(await this.plans.list()).some(({ id }) => id === planId)) {
      throw new AppError('not_found', `No plan has the id ${planId}. See admin plans list.`);
    }
    const act = await this.actOn(name, operator);
    const until = new Date(act.at.getTime() + days * dayMs);
    await this.store.grant(act, planId, until);
    return until;
  }

  /** Ends the grants of operators. Paid subscriptions and trials stay; use `block` to end all access. @returns how many */
  async revoke(name: string, operator: Operator): Promise<number> {
    return this.store.revoke(await this.actOn(name, operator));
  }

  /** Takes access away, whatever the user has paid. */
  async block(name: string, kind: BlockReason, operator: Operator): Promise<void> {
    await this.store.block(await this.actOn(name, operator), kind);
  }

  /** Lifts every block, also for disputes, even lost ones. @returns how many */
  async unblock(name: string, operator: Operator): Promise<number> {
    return this.store.unblock(await this.actOn(name, operator));
  }

  private async actOn(name: string, { actor, reason }: Operator): Promise<OperatorAct> {
    const text = reason.trim();
    if (text === '' || text.length > 500)
      throw new AppError('invalid_request', 'reason: expected 1 to 500 characters.');
    const { userId } = await this.accountOf(name);
    return { userId, actor, reason: text, at: this.clock.now() };
  }

  private async accountOf(name: string): Promise<Account> {
    const [account, another] = await this.store.find(name);
    if (account === undefined)
      throw new AppError('not_found', `No account has the id, Firebase UID or address ${name}.`);
    if (another === undefined) return account;
    throw new AppError('not_found', `Several accounts have the address ${name}. Use the Firebase UID of one of them.`);
  }
}
