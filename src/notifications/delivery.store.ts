import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type NotificationKind, Prisma } from '../prisma/identity/index.js';
import { type Channel, deliveryJobs } from './outbox/index.js';

/** One notification for one address or device, with what is known about its user now. */
export interface PendingDelivery {
  readonly id: bigint;
  readonly kind: NotificationKind;
  readonly payload: unknown;
  readonly causedAt: Date;
  /** Attempts so far, including this one. */
  readonly attempts: number;
  /** Null after the account was deleted. */
  readonly userId: string | null;
  readonly firebaseUid: string | null;
  /** The address of the delivery itself, or else the user's verified address; null if there is neither. */
  readonly address: string | null;
  /** Null if the user has chosen none. */
  readonly locale: string | null;
  /** Kinds that the user has turned off on this channel. */
  readonly muted: readonly NotificationKind[];
  /** Its Firebase Cloud Messaging token; null if the device is removed or now belongs to another user. */
  readonly device: { readonly token: string } | null;
}

export interface PendingCount {
  readonly channel: Channel;
  readonly count: number;
  /** When the oldest pending delivery was caused; null if none is pending. */
  readonly oldest: Date | null;
}

interface DeliveryRow extends Omit<PendingDelivery, 'device'> {
  readonly deviceToken: string | null;
}

@Injectable()
export class DeliveryStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Claims the oldest due deliveries for one worker until `until`; none while the channel is paused. Any other worker, even
   * one that was thought dead, gets different deliveries meanwhile.
   */
  async claim(channel: Channel, count: number, now: Date, until: Date): Promise<PendingDelivery[]> {
    const rows = await this.prisma.$queryRaw<DeliveryRow[]>`
      WITH claimed AS (
        UPDATE "NotificationDelivery" SET claimed_until = ${until}, attempts = attempts + 1 WHERE id IN (
          SELECT id FROM "NotificationDelivery"
          WHERE channel = ${channel}::"DeliveryChannel" AND state = 'pending' AND due_at <= ${now}
            AND (claimed_until IS NULL OR claimed_until <= ${now}) AND NOT ${isPaused(channel, now)}
          ORDER BY id LIMIT ${count} FOR UPDATE SKIP LOCKED
        ) RETURNING *
      )
      SELECT c.id, n.kind::text AS kind, n.payload, n.caused_at AS "causedAt", c.attempts, c.user_id AS "userId",
        u.firebase_uid AS "firebaseUid",
        coalesce(c.address, CASE WHEN u.email_verified THEN u.email END) AS address, p.locale,
        coalesce(CASE c.channel WHEN 'email' THEN p.muted_email ELSE p.muted_push END, '{}')::text[] AS muted,
        CASE c.channel WHEN 'push' THEN coalesce(c.address, d.token) END AS "deviceToken"
      FROM claimed c JOIN "Notification" n ON n.id = c.notification_id
      LEFT JOIN "User" u ON u.id = c.user_id LEFT JOIN "UserPreferences" p ON p.user_id = c.user_id
      LEFT JOIN "PushDevice" d ON d.id = c.device_id AND d.user_id = c.user_id
      ORDER BY c.id`;
    return rows.map(({ deviceToken: token, ...row }) => ({ ...row, device: token === null ? null : { token } }));
  }

  /** Marks a delivery as sent or, with a reason, as refused for good. Deletes the address that it held. */
  async finish(id: bigint, refusedFor: string | null): Promise<void> {
    const state = refusedFor === null ? 'sent' : 'refused';
    await this.prisma.$executeRaw`
      UPDATE "NotificationDelivery"
      SET state = ${state}::"DeliveryState", reason = ${refusedFor}, address = NULL, claimed_until = NULL WHERE id = ${id}`;
  }

  async postpone(id: bigint, until: Date, reason: string): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE "NotificationDelivery" SET due_at = ${until}, reason = ${reason}, claimed_until = NULL WHERE id = ${id}`;
  }

  /** Releases deliveries that were claimed and not attempted. They keep their place in the order. */
  async release(ids: readonly bigint[]): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE "NotificationDelivery" SET attempts = attempts - 1, claimed_until = NULL
      WHERE id = ANY (${ids}::bigint[]) AND state = 'pending'`;
  }

  /** Pauses a channel: for ten seconds, then twice as long each time, up to five minutes. @returns failures in a row */
  async pause(channel: Channel, now: Date): Promise<number> {
    const [row] = await this.prisma.$queryRaw<[{ failures: number }]>`
      INSERT INTO "DeliveryPause" AS p (channel, failures, until)
      VALUES (${channel}::"DeliveryChannel", 1, ${now}::timestamptz + interval '10 seconds')
      ON CONFLICT (channel) DO UPDATE SET failures = p.failures + 1,
        until = ${now}::timestamptz + least(interval '5 minutes', interval '10 seconds' * 2 ^ least(p.failures, 10))
      RETURNING failures`;
    return row.failures;
  }

  async resume(channel: Channel): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "DeliveryPause" WHERE channel = ${channel}::"DeliveryChannel"`;
  }

  /** Adds a job for each channel with a due delivery: one that was postponed, or one that waited for a paused channel. */
  async enqueueDueJobs(now: Date): Promise<void> {
    const due = (channel: Channel) => Prisma.sql`
      SELECT ${channel}::"DeliveryChannel" AS channel WHERE NOT ${isPaused(channel, now)} AND EXISTS (
        SELECT FROM "NotificationDelivery" WHERE channel = ${channel}::"DeliveryChannel" AND state = 'pending'
          AND due_at <= ${now} AND (claimed_until IS NULL OR claimed_until <= ${now}))`;
    await this.prisma.$queryRaw(deliveryJobs(Prisma.sql`${due('email')} UNION ALL ${due('push')}`));
  }

  async countPending(): Promise<PendingCount[]> {
    return this.prisma.$queryRaw<PendingCount[]>`
      SELECT c.channel::text AS channel, count(d.id)::int AS count, min(n.caused_at) AS oldest
      FROM unnest(enum_range(NULL::"DeliveryChannel")) c (channel)
      LEFT JOIN "NotificationDelivery" d ON d.channel = c.channel AND d.state = 'pending'
      LEFT JOIN "Notification" n ON n.id = d.notification_id GROUP BY 1`;
  }

  /** Deletes old notifications. Those of deleted accounts go as soon as they are sent or refused. */
  async purge(causedBefore: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "Notification" n WHERE caused_at < ${causedBefore} OR (user_id IS NULL AND NOT EXISTS (
        SELECT FROM "NotificationDelivery" d WHERE d.notification_id = n.id AND d.state = 'pending'))`;
  }
}

const isPaused = (channel: Channel, now: Date) =>
  Prisma.sql`EXISTS (SELECT FROM "DeliveryPause" WHERE channel = ${channel}::"DeliveryChannel" AND until > ${now})`;
