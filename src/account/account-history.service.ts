import { Injectable } from '@nestjs/common';
import { type User } from '../auth/index.js';
import { self } from '../platform/audit/index.js';
import { pageOf, readCursor } from '../platform/http/index.js';
import { type AccountHistory, type AuditTrail, type PageQuery } from './account.schema.js';
import { AccountStore } from './account.store.js';
import { describeHistoryEvent } from './history-texts.js';
import { AccountHistoryStore } from './account-history.store.js';

/** What happened to a person's subscriptions and money, and what was done to their account: newest first, page by page. */
@Injectable()
export class AccountHistoryService {
  constructor(
    private readonly store: AccountHistoryStore,
    private readonly accounts: AccountStore,
  ) {}

  /** @throws {AppError} `invalid_request` for a cursor that we did not give */
  async history({ userId }: User, { cursor, limit }: PageQuery): Promise<AccountHistory> {
    // One more than asked, to know whether there is another page.
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

  /** @throws {AppError} `invalid_request` for a cursor that we did not give */
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
