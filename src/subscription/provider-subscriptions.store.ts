import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type PaymentProvider, Prisma } from '../prisma/identity/index.js';
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
  readonly graceUntil: Date | null;
  readonly cancelAtPeriodEnd: boolean;
}

@Injectable()
export class ProviderSubscriptionsStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Writes what a look-up found, unless a look-up that began later has written. This statement decides between racing
   * look-ups: what it keeps, it keeps of the row that it locked. Whose subscription it is never changes.
   *
   * @returns whether the row is now other than it was
   */
  async record(userId: string, fetched: FetchedSubscription, ticket: bigint): Promise<boolean> {
    const rows =
      fetched.planId === undefined ? await this.update(fetched, ticket) : await this.upsert(userId, fetched, ticket);
    return rows[0]?.changed ?? false;
  }

  /** Ends what the provider no longer has. @returns whether there was any */
  async endOthers(
    userId: string,
    provider: PaymentProvider,
    refs: readonly string[],
    ticket: bigint,
  ): Promise<boolean> {
    const ended = await this.prisma.$executeRaw`
      UPDATE "Subscription" SET status = 'EXPIRED', fetch_ticket = ${ticket}
      WHERE user_id = ${userId}::uuid AND provider::text = ${provider} AND provider_ref <> ALL (${refs})
        AND status <> 'EXPIRED' AND fetch_ticket < ${ticket}`;
    return ended > 0;
  }

  async ownerOf(providerRef: string): Promise<string | undefined> {
    const row = await this.prisma.subscription.findUnique({ where: { providerRef }, select: { userId: true } });
    return row?.userId;
  }

  private async upsert(userId: string, fetched: FetchedSubscription, ticket: bigint): Promise<Changed[]> {
    const { provider, providerRef, status, planId, paidThrough, graceUntil, cancelAtPeriodEnd } = fetched;
    return this.prisma.$queryRaw<Changed[]>`
      ${before(providerRef)}
      INSERT INTO "Subscription" AS s
        (user_id, provider, provider_ref, plan_id, status, paid_through, grace_until, cancel_at_period_end, fetch_ticket)
      VALUES (${userId}::uuid, ${provider}::text::"SubscriptionProvider", ${providerRef}, ${planId},
        ${status ?? 'PENDING'}::"SubscriptionStatus", ${paidThrough}, ${graceUntil}, ${cancelAtPeriodEnd}, ${ticket})
      ON CONFLICT (provider_ref) DO UPDATE SET plan_id = excluded.plan_id, ${assignments(fetched, ticket)}
      WHERE s.fetch_ticket < excluded.fetch_ticket
      RETURNING ${isChanged}`;
  }

  private async update(fetched: FetchedSubscription, ticket: bigint): Promise<Changed[]> {
    return this.prisma.$queryRaw<Changed[]>`
      ${before(fetched.providerRef)}
      UPDATE "Subscription" AS s SET ${assignments(fetched, ticket)}
      WHERE provider_ref = ${fetched.providerRef} AND fetch_ticket < ${ticket}
      RETURNING ${isChanged}`;
  }
}

interface Changed {
  readonly changed: boolean;
}

/** An unknown status grants nothing new, and takes nothing that is paid for. */
function assignments(
  { status, paidThrough, graceUntil, cancelAtPeriodEnd }: FetchedSubscription,
  ticket: bigint,
): Prisma.Sql {
  const known =
    status === undefined
      ? Prisma.empty
      : Prisma.sql`status = ${status}::"SubscriptionStatus", paid_through = ${paidThrough}, grace_until = ${graceUntil},`;
  return Prisma.sql`${known} cancel_at_period_end = ${cancelAtPeriodEnd}, fetch_ticket = ${ticket}`;
}

const columns = Prisma.raw('plan_id, status, paid_through, grace_until, cancel_at_period_end');

const before = (providerRef: string) =>
  Prisma.sql`WITH before AS (SELECT ${columns} FROM "Subscription" WHERE provider_ref = ${providerRef})`;

/** As far as this statement saw the row before: for the count of repairs, which decides nothing. */
const isChanged = Prisma.sql`
  NOT EXISTS (SELECT ${columns} FROM before INTERSECT
    SELECT s.plan_id, s.status, s.paid_through, s.grace_until, s.cancel_at_period_end) AS changed`;
