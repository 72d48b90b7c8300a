import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type PaymentProvider, Prisma } from '../prisma/identity/index.js';
import { changedRow, recordChanges } from './subscription-events.js';
import { type SubscriptionState } from './subscription-state.js';

/** A subscription as it was fetched from its provider. */
export interface FetchedSubscription {
  readonly provider: PaymentProvider;
  /** Unique across providers: `stripe:sub_…`, `apple:…`. */
  readonly providerRef: string;
  /** Undefined if this service does not know the provider's status. The row then keeps its state and dates. */
  readonly status: SubscriptionState | undefined;
  /** Undefined if the price is not mapped to a plan. An existing row then keeps its plan; no new row is added. */
  readonly planId: string | undefined;
  readonly paidThrough: Date;
  /** End of the last period that was paid for; null before the first payment. */
  readonly settledThrough: Date | null;
  readonly graceUntil: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

@Injectable()
export class ProviderSubscriptionsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Stores a fetched subscription, unless a later fetch has already written. When two fetches race, this statement decides,
   * under the lock of the row. The owner of a subscription never changes. Each change is added to the user's history, and the
   * user is notified.
   *
   * @returns whether the row has changed
   */
  async record(userId: string, fetched: FetchedSubscription, fetchVersion: bigint, at: Date): Promise<boolean> {
    const statement =
      fetched.planId === undefined ? update(fetched, fetchVersion) : upsert(userId, fetched, fetchVersion);
    return (await this.applyChange(statement, at)) > 0;
  }

  /** Ends the stored subscriptions that the provider no longer has. @returns whether any were ended */
  async endOthers(
    userId: string,
    provider: PaymentProvider,
    refs: readonly string[],
    fetchVersion: bigint,
    at: Date,
  ): Promise<boolean> {
    const statement = Prisma.sql`
      UPDATE "Subscription" AS s SET status = 'EXPIRED', fetch_version = ${fetchVersion}
      WHERE user_id = ${userId}::uuid AND provider::text = ${provider} AND provider_ref <> ALL (${refs})
        AND status <> 'EXPIRED' AND fetch_version < ${fetchVersion}
      RETURNING ${changedRow}`;
    return (await this.applyChange(statement, at)) > 0;
  }

  async ownerOf(providerRef: string): Promise<string | undefined> {
    const row = await this.prisma.subscription.findUnique({ where: { providerRef }, select: { userId: true } });
    return row?.userId;
  }

  async refsOf(userId: string, provider: PaymentProvider): Promise<string[]> {
    const rows = await this.prisma.subscription.findMany({
      where: { userId, provider },
      select: { providerRef: true },
    });
    return rows.map(({ providerRef }) => providerRef);
  }

  /** @returns how many rows have changed */
  private async applyChange(statement: Prisma.Sql, at: Date): Promise<number> {
    const [row] = await this.prisma.$queryRaw<[{ changed: number }]>`
      WITH changed_rows AS (${statement}), ${recordChanges(at)}`;
    return row.changed;
  }
}

function upsert(userId: string, fetched: FetchedSubscription, fetchVersion: bigint): Prisma.Sql {
  const { provider, providerRef, status, planId, paidThrough, settledThrough, graceUntil, cancelAtPeriodEnd } = fetched;
  return Prisma.sql`
    INSERT INTO "Subscription" AS s
      (user_id, provider, provider_ref, plan_id, status, paid_through, settled_through, grace_until, cancel_at_period_end, fetch_version)
    VALUES (${userId}::uuid, ${provider}::text::"SubscriptionProvider", ${providerRef}, ${planId},
      ${status ?? 'PENDING'}::"SubscriptionStatus", ${paidThrough}, ${settledThrough}, ${graceUntil}, ${cancelAtPeriodEnd}, ${fetchVersion})
    ON CONFLICT (provider_ref) DO UPDATE SET ${assignments(fetched, fetchVersion)}
    WHERE s.fetch_version < excluded.fetch_version
    RETURNING ${changedRow}`;
}

function update(fetched: FetchedSubscription, fetchVersion: bigint): Prisma.Sql {
  return Prisma.sql`
    UPDATE "Subscription" AS s SET ${assignments(fetched, fetchVersion)}
    WHERE provider_ref = ${fetched.providerRef} AND fetch_version < ${fetchVersion}
    RETURNING ${changedRow}`;
}

/** With an unknown status the row keeps its state, dates and plan: the user gains nothing and loses nothing they paid for. */
function assignments(
  { status, planId, paidThrough, settledThrough, graceUntil, cancelAtPeriodEnd }: FetchedSubscription,
  fetchVersion: bigint,
): Prisma.Sql {
  const known =
    status === undefined
      ? Prisma.empty
      : Prisma.sql`status = ${status}::"SubscriptionStatus", paid_through = ${paidThrough},
          settled_through = ${settledThrough}::timestamptz, grace_until = ${graceUntil},`;
  const plan = status === undefined || planId === undefined ? Prisma.empty : Prisma.sql`plan_id = ${planId},`;
  return Prisma.sql`${known} ${plan} cancel_at_period_end = ${cancelAtPeriodEnd}, fetch_version = ${fetchVersion}`;
}
