import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type PaymentProvider, Prisma } from '../prisma/identity/index.js';
import { movedRow, whatHappened } from './subscription-news.js';
import { type SubscriptionState } from './subscription-state.js';

/** A subscription as its provider was found to hold it. */
export interface FetchedSubscription {
  readonly provider: PaymentProvider;
  /** Our name for it, one row each. */
  readonly providerRef: string;
  /** Undefined when the provider names a status that nobody here knows: the row keeps its state and its time. */
  readonly status: SubscriptionState | undefined;
  /** Undefined when what was bought is mapped to no plan: the row keeps its plan, and without a row none is made. */
  readonly planId: string | undefined;
  readonly paidThrough: Date;
  /** End of the last period whose money has come; null before the first. */
  readonly settledThrough: Date | null;
  readonly graceUntil: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

@Injectable()
export class ProviderSubscriptionsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Writes what a look-up found, unless a look-up that began later has written. This statement decides between racing
   * look-ups: what it keeps, it keeps of the row that it locked. Whose subscription it is never changes. What it changes of
   * that row is written into the person's history, and told.
   *
   * @returns whether the row is now other than it was
   */
  async record(userId: string, fetched: FetchedSubscription, fetchVersion: bigint, at: Date): Promise<boolean> {
    const moving = fetched.planId === undefined ? update(fetched, fetchVersion) : upsert(userId, fetched, fetchVersion);
    return (await this.move(moving, at)) > 0;
  }

  /** Ends what the provider no longer has. @returns whether there was any */
  async endOthers(
    userId: string,
    provider: PaymentProvider,
    refs: readonly string[],
    fetchVersion: bigint,
    at: Date,
  ): Promise<boolean> {
    const ending = Prisma.sql`
      UPDATE "Subscription" AS s SET status = 'EXPIRED', fetch_version = ${fetchVersion}
      WHERE user_id = ${userId}::uuid AND provider::text = ${provider} AND provider_ref <> ALL (${refs})
        AND status <> 'EXPIRED' AND fetch_version < ${fetchVersion}
      RETURNING ${movedRow}`;
    return (await this.move(ending, at)) > 0;
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

  /** @returns how many rows are now other than they were */
  private async move(moving: Prisma.Sql, at: Date): Promise<number> {
    const [row] = await this.prisma.$queryRaw<[{ changed: number }]>`
      WITH moved AS (${moving}), ${whatHappened(at)}`;
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
    RETURNING ${movedRow}`;
}

function update(fetched: FetchedSubscription, fetchVersion: bigint): Prisma.Sql {
  return Prisma.sql`
    UPDATE "Subscription" AS s SET ${assignments(fetched, fetchVersion)}
    WHERE provider_ref = ${fetched.providerRef} AND fetch_version < ${fetchVersion}
    RETURNING ${movedRow}`;
}

/** An unknown status grants nothing new, a dearer plan neither, and takes nothing that is paid for. */
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
