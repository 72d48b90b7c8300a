import { Injectable } from '@nestjs/common';
import { type PagePosition } from '../platform/http/index.js';
import { IdentityPrisma } from '../prisma/identity/index.js';
import { type HistoryEvent } from './history-texts.js';

export interface HistoryRow extends HistoryEvent {
  /** Identifies the row in a cursor. */
  readonly name: string;
  readonly at: Date;
}

@Injectable()
export class AccountHistoryStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Subscription events and payments, newest first. */
  async page(userId: string, after: PagePosition | undefined, limit: number): Promise<HistoryRow[]> {
    const [at, name] = [after?.at ?? null, after?.name ?? null];
    return this.prisma.$queryRaw<HistoryRow[]>`
      SELECT * FROM (
        SELECT 'p' || id AS name, occurred_at AS at, kind::text, provider::text, amount, currency, NULL AS plan,
          NULL::timestamptz AS until
        FROM "PaymentHistory" WHERE user_id = ${userId}::uuid
        UNION ALL
        SELECT 'e' || lpad(e.id::text, 19, '0'), e.at, e.kind::text, e.provider::text, NULL, NULL, p.name, e.until
        FROM "SubscriptionEvent" e JOIN "Plan" p ON p.id = e.plan_id WHERE e.user_id = ${userId}::uuid
      ) events
      WHERE ${at}::timestamptz IS NULL OR (at, name) < (${at}, ${name})
      ORDER BY at DESC, name DESC LIMIT ${limit}`;
  }
}
