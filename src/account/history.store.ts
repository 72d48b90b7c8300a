import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type PaymentKind, type PaymentProvider } from '../prisma/identity/index.js';
import { type Position } from './page-cursor.js';

export interface HistoryRow {
  /** Names the row in a cursor. */
  readonly name: string;
  readonly at: Date;
  readonly kind: PaymentKind;
  readonly provider: PaymentProvider;
  readonly amount: number;
  readonly currency: string;
}

@Injectable()
export class HistoryStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Newest first. */
  async page(userId: string, after: Position | undefined, limit: number): Promise<HistoryRow[]> {
    return this.prisma.$queryRaw<HistoryRow[]>`
      SELECT id::text AS name, occurred_at AS at, kind::text, provider::text, amount, currency
      FROM "PaymentHistory"
      WHERE user_id = ${userId}::uuid
        AND (${after?.at ?? null}::timestamptz IS NULL OR (occurred_at, id::text) < (${after?.at ?? null}, ${after?.name ?? null}))
      ORDER BY occurred_at DESC, id::text DESC LIMIT ${limit}`;
  }
}
