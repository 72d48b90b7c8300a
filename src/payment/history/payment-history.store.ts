import { Injectable } from '@nestjs/common';
import { enqueueNotifications, jobsAdded } from '../../notifications/outbox/index.js';
import { Clock } from '../../platform/config/index.js';
import { type PagePosition } from '../../platform/http/index.js';
import { IdentityPrisma, type PaymentHistory, type PaymentProvider, Prisma } from '../../prisma/identity/index.js';
import { type Movement } from '../providers/provider-subscription.js';

/** A subscription, and the ticket under which it was looked up. */
export interface FetchedFor {
  /** Our name for it. */
  readonly subscription: string;
  readonly fetchVersion: bigint;
}

/** A payment, and what of it its provider shows as refunded. */
export interface RefundedNow {
  /** Our name for the payment. */
  readonly charge: string;
  /** Our name for the refund; null when there is none. */
  readonly refund: string | null;
  /** When any other refund had been reversed, at the latest. */
  readonly reversedBy: Date;
}

@Injectable()
export class PaymentHistoryStore {
  constructor(
    private readonly prisma: IdentityPrisma,
    private readonly clock: Clock,
  ) {}

  /**
   * Adds what is not there yet: each movement is one row, however often it is seen. Of a refund the person is told.
   *
   * @returns whether there was any
   */
  async add(userId: string, provider: PaymentProvider, movements: readonly Movement[]): Promise<boolean> {
    if (movements.length === 0) return false;
    return this.added(Prisma.sql`
      WITH added AS (
        INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
        SELECT ${userId}::uuid, ${provider}::"PaymentProvider", moved.* FROM ${moved(movements)} ORDER BY ref
        ON CONFLICT (provider_ref) DO NOTHING RETURNING *
      )`);
  }

  /**
   * As `add`, beside a payment that is there: to the one whose payment it is, or to nobody where that account is gone.
   *
   * @param charge our name for the payment
   */
  async addBeside(charge: string, provider: PaymentProvider, movements: readonly Movement[]): Promise<boolean> {
    if (movements.length === 0) return false;
    return this.added(Prisma.sql`
      WITH added AS (
        INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
        SELECT paid.user_id, ${provider}::"PaymentProvider", moved.* FROM "PaymentHistory" paid, ${moved(movements)}
        WHERE paid.provider_ref = ${charge} ORDER BY ref
        ON CONFLICT (provider_ref) DO NOTHING RETURNING *
      )`);
  }

  /**
   * As `add`, to whoever has the subscription, and only for its newest look-up: what an older one saw may have been taken
   * back since. The lock on the subscription makes a newer look-up wait, and so find what this one wrote.
   */
  async addOf(newest: FetchedFor, provider: PaymentProvider, movements: readonly Movement[]): Promise<boolean> {
    if (movements.length === 0) return false;
    return this.added(Prisma.sql`
      WITH owner AS MATERIALIZED (${ownerOf(newest)} FOR SHARE),
      added AS (
        INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
        SELECT owner.user_id, ${provider}::"PaymentProvider", moved.* FROM owner, ${moved(movements)} ORDER BY ref
        ON CONFLICT (provider_ref) DO NOTHING RETURNING *
      )`);
  }

  /**
   * Reverses the refunds that their provider does not show (any more), for the newest look-up alone: of a payment that is
   * not refunded now all of them, of one that is refunded again those before.
   *
   * @returns whether there was any
   */
  async reverseRefunds(newest: FetchedFor, payments: readonly RefundedNow[]): Promise<boolean> {
    const column = <K extends keyof RefundedNow>(name: K) => payments.map((payment) => payment[name]);
    const added = await this.prisma.$executeRaw`
      WITH owner AS MATERIALIZED (${ownerOf(newest)} FOR SHARE)
      INSERT INTO "PaymentHistory" (user_id, provider, provider_ref, kind, amount, currency, occurred_at)
      SELECT h.user_id, h.provider, h.provider_ref || ':reversal', 'reversal', h.amount, h.currency, p.at
      FROM owner JOIN "PaymentHistory" h ON h.user_id = owner.user_id AND h.kind = 'refund'
        JOIN unnest(${column('charge')}::text[], ${column('refund')}::text[], ${column('reversedBy')}::timestamptz[])
          p (charge, refund, at) ON starts_with(h.provider_ref, p.charge || ':refund:')
      WHERE h.provider_ref IS DISTINCT FROM p.refund
      ON CONFLICT (provider_ref) DO NOTHING`;
    return added > 0;
  }

  /** @param adding a `WITH` whose `added` are the new rows */
  private async added(adding: Prisma.Sql): Promise<boolean> {
    const [row] = await this.prisma.$queryRaw<[{ any: boolean }]>`
      ${adding}, ${enqueueNotifications(Prisma.sql`
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

  /** Of these names, those that have no row. */
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
function moved(movements: readonly Movement[]): Prisma.Sql {
  const column = <K extends keyof Movement>(name: K) => movements.map((movement) => movement[name]);
  return Prisma.sql`(
    SELECT ref, kind::"PaymentKind", amount, currency, at FROM unnest(
      ${column('providerRef')}::text[], ${column('kind')}::text[], ${column('amount')}::int[],
      ${column('currency')}::text[], ${column('occurredAt')}::timestamptz[]) AS row (ref, kind, amount, currency, at)
  ) moved`;
}
