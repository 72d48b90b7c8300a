import { Injectable } from '@nestjs/common';
import { enqueueNotifications, jobsAdded } from '../../notifications/outbox/index.js';
import { Clock } from '../../platform/config/index.js';
import { type PagePosition } from '../../platform/http/index.js';
import { IdentityPrisma, type PaymentHistory, type PaymentProvider, Prisma } from '../../prisma/identity/index.js';
import { type Movement } from '../providers/provider-subscription.js';

/** A subscription, and the fencing token of the fetch that read it. */
export interface FetchedFor {
  /** Its `providerRef`. */
  readonly subscription: string;
  readonly fetchVersion: bigint;
}

/** A payment, and the refund that its provider shows for it. */
export interface CurrentRefund {
  /** `providerRef` of the payment. */
  readonly charge: string;
  /** `providerRef` of the refund; null if there is none. */
  readonly refund: string | null;
  /** All other refunds of the payment were reversed at or before this time. */
  readonly reversedBy: Date;
}

@Injectable()
export class PaymentHistoryStore {
  constructor(
    private readonly prisma: IdentityPrisma,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds the movements that are not stored yet: one row each, however often they are fetched. Notifies the user of refunds.
   *
   * @returns whether any were added
   */
  async add(userId: string, provider: PaymentProvider, movements: readonly Movement[]): Promise<boolean> {
    if (movements.length === 0) return false;
    return this.added(Prisma.sql`
      WITH added AS (
        INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
        SELECT ${userId}::uuid, ${provider}::"PaymentProvider", moved.* FROM ${movementRows(movements)} ORDER BY ref
        ON CONFLICT (provider_ref) DO NOTHING RETURNING *
      )`);
  }

  /**
   * As `add`, but only if their charge is stored, and for the user of that charge. The user is null if the account was deleted.
   *
   * @param charge `providerRef` of the charge
   */
  async addToCharge(charge: string, provider: PaymentProvider, movements: readonly Movement[]): Promise<boolean> {
    if (movements.length === 0) return false;
    return this.added(Prisma.sql`
      WITH added AS (
        INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
        SELECT paid.user_id, ${provider}::"PaymentProvider", moved.* FROM "PaymentHistory" paid, ${movementRows(movements)}
        WHERE paid.provider_ref = ${charge} ORDER BY ref
        ON CONFLICT (provider_ref) DO NOTHING RETURNING *
      )`);
  }

  /**
   * As `add`, for the subscription's owner, and only from its newest fetch: what an older fetch saw may have been reversed
   * since. The lock on the subscription makes a newer fetch wait, so that it sees the rows of this one.
   */
  async addForSubscription(
    newest: FetchedFor,
    provider: PaymentProvider,
    movements: readonly Movement[],
  ): Promise<boolean> {
    if (movements.length === 0) return false;
    return this.added(Prisma.sql`
      WITH owner AS MATERIALIZED (${ownerOf(newest)} FOR SHARE),
      added AS (
        INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
        SELECT owner.user_id, ${provider}::"PaymentProvider", moved.* FROM owner, ${movementRows(movements)} ORDER BY ref
        ON CONFLICT (provider_ref) DO NOTHING RETURNING *
      )`);
  }

  /**
   * Reverses the stored refunds that the provider no longer shows, and only from the subscription's newest fetch. If a payment
   * is not refunded now, that is all its refunds; if it is refunded again, all but the current one.
   *
   * @returns whether any were reversed
   */
  async reverseRefunds(newest: FetchedFor, payments: readonly CurrentRefund[]): Promise<boolean> {
    const column = <K extends keyof CurrentRefund>(name: K) => payments.map((payment) => payment[name]);
    const insertAndNotify = await this.prisma.$executeRaw`
      WITH owner AS MATERIALIZED (${ownerOf(newest)} FOR SHARE)
      INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
      SELECT h.user_id, h.provider, h.provider_ref || ':reversal', 'reversal', h.amount, h.currency, p.at
      FROM owner JOIN "PaymentHistory" h ON h.user_id = owner.user_id AND h.kind = 'refund'
        JOIN unnest(${column('charge')}::text[], ${column('refund')}::text[], ${column('reversedBy')}::timestamptz[])
          p (charge, refund, at) ON starts_with(h.provider_ref, p.charge || ':refund:')
      WHERE h.provider_ref IS DISTINCT FROM p.refund
      ON CONFLICT (provider_ref) DO NOTHING`;
    return insertAndNotify > 0;
  }

  /** @param insertion a `WITH` clause whose `added` returns the new rows */
  private async added(insertion: Prisma.Sql): Promise<boolean> {
    const [row] = await this.prisma.$queryRaw<[{ any: boolean }]>`
      ${insertion}, ${enqueueNotifications(Prisma.sql`
        SELECT user_id, 'refunded' AS kind, 'refunded:' || provider_ref AS cause,
          jsonb_build_object('amount', amount, 'currency', currency, 'provider', provider) AS payload,
          ${this.clock.now()}::timestamptz AS at
        FROM added WHERE kind = 'refund'`)}
      SELECT EXISTS (SELECT FROM added) AS any, ${jobsAdded}`;
    return row.any;
  }

  /** Newest first. */
  async page(userId: string, after: PagePosition | undefined, limit: number): Promise<PaymentHistory[]> {
    const where = after && {
      OR: [{ occurredAt: { lt: after.at } }, { occurredAt: after.at, id: { gt: after.name } }],
    };
    return this.prisma.paymentHistory.findMany({
      where: { userId, ...where },
      orderBy: [{ occurredAt: 'desc' }, { id: 'asc' }],
      take: limit,
    });
  }

  async find(userId: string, id: string): Promise<PaymentHistory | undefined> {
    return (await this.prisma.paymentHistory.findFirst({ where: { id, userId } })) ?? undefined;
  }

  /** The given `providerRef`s that have no row. */
  async missing(refs: readonly string[]): Promise<Set<string>> {
    const rows = await this.prisma.$queryRaw<{ ref: string }[]>`
      SELECT ref FROM unnest(${refs}::text[]) ref
      WHERE NOT EXISTS (SELECT FROM "PaymentHistory" h WHERE h.provider_ref = ref)`;
    return new Set(rows.map(({ ref }) => ref));
  }
}

const ownerOf = ({ subscription, fetchVersion }: FetchedFor) => Prisma.sql`
  SELECT s.user_id FROM "Subscription" s WHERE s.provider_ref = ${subscription} AND s.fetch_version = ${fetchVersion}`;

/** The movements as rows, in the order of the table's columns. */
function movementRows(movements: readonly Movement[]): Prisma.Sql {
  const column = <K extends keyof Movement>(name: K) => movements.map((movement) => movement[name]);
  return Prisma.sql`(
    SELECT ref, kind::"PaymentKind", amount, currency, at FROM unnest(
      ${column('providerRef')}::text[], ${column('kind')}::text[], ${column('amount')}::int[],
      ${column('currency')}::text[], ${column('occurredAt')}::timestamptz[]) AS row (ref, kind, amount, currency, at)
  ) moved`;
}
