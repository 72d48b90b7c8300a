import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type AuditEvent, type BlockReason } from '../prisma/identity/index.js';
import { type Account, OperatorAccessStore, type OperatorAct } from './operator-access.store.js';
import { PlansService } from './plans.service.js';
import { type Access } from './subscription-state.js';
import { SubscriptionService } from './subscription.service.js';

/** Who acts, and why: kept beside what they did. */
export interface Operator {
  readonly actor: string;
  /** Up to 500 characters. */
  readonly reason: string;
}

export interface AccountAccess {
  readonly account: Account;
  readonly access: Access;
  /** What operators did, newest first. */
  readonly audit: readonly AuditEvent[];
}

const dayMs = 86_400_000;

/** What operators do to people's access. Everything is audited, in the statement that does it. */
@Injectable()
export class OperatorAccessService {
  constructor(
    private readonly store: OperatorAccessStore,
    private readonly plans: PlansService,
    private readonly subscriptions: SubscriptionService,
    private readonly clock: Clock,
  ) {}

  /** @param name our id, the Firebase UID or the address */
  async show(name: string): Promise<AccountAccess> {
    const account = await this.accountOf(name);
    const { userId } = account;
    const [access, audit] = await Promise.all([this.subscriptions.accessNow(userId), this.store.history(userId)]);
    return { account, access, audit };
  }

  /** Gives access on a plan for some days, beside whatever else the person has. @returns until when */
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

  /** Ends what operators have granted. What is paid, or a trial, goes on: `block` ends everything. @returns how many */
  async revoke(name: string, operator: Operator): Promise<number> {
    return this.store.revoke(await this.actOn(name, operator));
  }

  /** Takes access away, whatever is paid. */
  async block(name: string, kind: BlockReason, operator: Operator): Promise<void> {
    await this.store.block(await this.actOn(name, operator), kind);
  }

  /** Lifts every block, also those of disputes, lost ones included. @returns how many */
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
    throw new AppError('not_found', `Several accounts have the address ${name}: name one by its Firebase UID.`);
  }
}
