import { Injectable } from '@nestjs/common';
import { type User } from '../auth/index.js';
import { self } from '../platform/audit/index.js';
import { pageOf, readCursor } from '../platform/http/index.js';
import { type AccountHistory, type AuditTrail, type PageQuery } from './account.schema.js';
import { AccountStore } from './account.store.js';
import { describeHistoryEvent } from './history-texts.js';
import { AccountHistoryStore } from './account-history.store.js';

/** Lists the events of a user's subscriptions and payments, and the acts on the account: newest first, in pages. */
@Injectable()
export class AccountHistoryService {
  constructor(
    private readonly store: AccountHistoryStore,
    private readonly accounts: AccountStore,
  ) {}

  /** @throws {AppError} `invalid_request` for an invalid cursor */
  async history({ userId }: User, { cursor, limit }: PageQuery): Promise<AccountHistory> {
    // One more than requested shows whether there is another page.
    const rows = await this.store.page(userId, readCursor(cursor), limit + 1);
    const { shown, next } = pageOf(rows, limit, (row) => row);
    return {
      events: shown.map((row) => {
        const { at, kind, amount, currency } = row;
        return { at: at.toISOString(), kind, text: describeHistoryEvent(row), amount, currency };
      }),
      next,
    };
  }

  /** @throws {AppError} `invalid_request` for an invalid cursor */
  async acts({ userId }: User, { cursor, limit }: PageQuery): Promise<AuditTrail> {
    const after = readCursor(cursor)?.name;
    const before = after !== undefined && /^\d{1,18}$/.test(after) ? BigInt(after) : undefined;
    const rows = await this.accounts.acts(userId, before, limit + 1);
    const { shown, next } = pageOf(rows, limit, ({ at, id }) => ({ at, name: String(id) }));
    return {
      acts: shown.map(({ at, actor, action, reason }) => {
        const isOwn = actor === self;
        return { at: at.toISOString(), by: isOwn ? 'you' : 'operator', action, reason: isOwn ? null : reason };
      }),
      next,
    };
  }
}
