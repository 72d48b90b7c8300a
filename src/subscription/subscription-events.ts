import { enqueueNotifications, iso, jobsAdded } from '../notifications/outbox/index.js';
import { raiseEvent } from '../platform/jobs/index.js';
import { Prisma } from '../prisma/identity/index.js';
import { accessGrantedElsewhere } from './events.js';

/**
 * Turns changes of `"Subscription"` rows into events for the user's history, and into notifications.
 *
 * An event comes from comparing a row's `old` and `new` values within the statement that changes it, under the row's lock.
 * So when two fetches race, each reports only its own changes.
 *
 * A subscription is `renewed` when it is paid, not when its next period starts: a provider may charge after that.
 *
 * `started` and `resumed` go only to the history, without a notification: the user has just done it themselves.
 */

/** The columns that a statement on `"Subscription"` must return (PostgreSQL 18: `old` and `new`). */
export const changedRow = Prisma.raw(`
  new.id, new.user_id, new.provider, new.plan_id, new.status, new.paid_through, new.settled_through, new.grace_until, new.cancel_at_period_end,
  new.fetch_version, old.plan_id AS old_plan_id, old.status AS old_status, old.paid_through AS old_paid_through,
  old.settled_through AS old_settled, old.cancel_at_period_end AS old_cancel, old.grace_until AS old_grace_until`);

/**
 * Whether another subscription gives the user access beyond the end of this one. If so, the end of this one does not matter
 * to them. If two end at the same time, their ids decide which is the last.
 *
 * @param row name of the subscription's row, with `user_id` and `id`
 * @param end when the subscription ends
 */
export const hasLongerAccess = (row: string, end: Prisma.Sql): Prisma.Sql => {
  const [userId, id] = [Prisma.raw(`${row}.user_id`), Prisma.raw(`${row}.id`)];
  return Prisma.sql`EXISTS (
    SELECT FROM "Subscription" other WHERE other.user_id = ${userId} AND other.id <> ${id}
      AND (other.status IN ('TRIAL', 'ACTIVE') AND (other.paid_through, other.id) > (${end}, ${id})
        OR other.status = 'GRACE' AND (coalesce(other.grace_until, other.paid_through), other.id) > (${end}, ${id})))`;
};

/**
 * A statement that adds an `expired` event for each ended subscription that has none, for use in a `WITH` clause. Only one
 * replica at a time may run it, because no unique index prevents a second event.
 *
 * @param ended a query of rows of `"Subscription"`
 */
export const recordExpired = (ended: Prisma.Sql): Prisma.Sql => Prisma.sql`
  INSERT INTO "SubscriptionEvent" (user_id, provider, kind, plan_id, until, at)
  SELECT s.user_id, s.provider, 'expired', s.plan_id, s.paid_through, s.paid_through FROM (${ended}) s
  WHERE NOT EXISTS (SELECT FROM "SubscriptionEvent" e WHERE e.user_id = s.user_id AND e.provider = s.provider
    AND e.kind = 'expired' AND e.plan_id = s.plan_id AND e.at = s.paid_through)`;

/** The users whose access from the App Store in `changed_rows` is new or has changed. */
const usersGrantedByApple = Prisma.sql`
  SELECT user_id FROM changed_rows WHERE provider = 'apple' AND status NOT IN ('EXPIRED', 'REVOKED')
    AND (status, paid_through) IS DISTINCT FROM (old_status, old_paid_through)`;

/**
 * Completes a `WITH` clause whose `changed_rows` returns `changedRow`: adds the events and notifications. Returns `changed`,
 * the number of rows that have changed.
 */
export const recordChanges = (at: Date): Prisma.Sql => Prisma.sql`
  events AS (
    SELECT changed_rows.*, event.kind FROM changed_rows, LATERAL (VALUES
      ('started', (old_status IS NULL OR old_status IN ('PENDING', 'EXPIRED', 'REVOKED')) AND status IN ('TRIAL', 'ACTIVE')),
      ('renewed', old_status IN ('TRIAL', 'ACTIVE', 'GRACE', 'SUSPENDED') AND status = 'ACTIVE'
        AND settled_through > coalesce(old_settled, old_paid_through) AND plan_id = old_plan_id),
      ('cancelled', cancel_at_period_end AND NOT old_cancel AND status IN ('TRIAL', 'ACTIVE', 'GRACE')),
      ('resumed', old_cancel AND NOT cancel_at_period_end AND status IN ('TRIAL', 'ACTIVE', 'GRACE')
        AND old_status IN ('TRIAL', 'ACTIVE', 'GRACE')),
      ('payment_failed', (status = 'GRACE' AND old_status IN ('TRIAL', 'ACTIVE'))
        OR (status = 'SUSPENDED' AND old_status IN ('TRIAL', 'ACTIVE', 'GRACE'))),
      ('plan_changed', plan_id <> old_plan_id AND status IN ('TRIAL', 'ACTIVE', 'GRACE')),
      ('expired', status = 'EXPIRED' AND old_status IN ('TRIAL', 'ACTIVE', 'GRACE', 'SUSPENDED')),
      ('revoked', status = 'REVOKED' AND old_status <> 'REVOKED')
    ) event (kind, happened) WHERE happened
  ),
  written AS (
    INSERT INTO "SubscriptionEvent" (user_id, provider, kind, plan_id, until, at)
    SELECT user_id, provider, kind::"SubscriptionEventKind", plan_id,
      CASE kind WHEN 'payment_failed' THEN coalesce(grace_until, paid_through) ELSE paid_through END, ${at}
    FROM events ORDER BY id, kind
  ),
  ${enqueueNotifications(Prisma.sql`
    SELECT n.user_id, n.kind, n.kind || ':' || n.id || ':' || n.fetch_version AS cause, CASE n.kind
        WHEN 'plan_changed' THEN jsonb_build_object('plan', p.name)
        WHEN 'expired' THEN jsonb_build_object('plan', p.name, 'trial', n.old_status = 'TRIAL')
        WHEN 'payment_failed' THEN jsonb_build_object('plan', p.name, 'provider', n.provider, 'until',
          CASE WHEN n.status = 'GRACE' THEN ${iso('n.grace_until')} END)
        WHEN 'renewed' THEN jsonb_build_object('plan', p.name, 'until', ${iso('least(n.paid_through, n.settled_through)')})
        ELSE jsonb_build_object('plan', p.name, 'until', ${iso('n.paid_through')}) END AS payload, ${at}::timestamptz AS at
    FROM events n JOIN "Plan" p ON p.id = n.plan_id
    WHERE n.kind IN ('renewed', 'cancelled', 'payment_failed', 'plan_changed')
      OR (n.kind = 'expired' AND NOT ${hasLongerAccess('n', Prisma.sql`${at}::timestamptz`)})`)},
  raised AS (${raiseEvent(accessGrantedElsewhere, usersGrantedByApple)})
  SELECT ${jobsAdded}, (SELECT jobs FROM raised) AS raised, (SELECT count(*) FROM changed_rows
    WHERE (plan_id, status, paid_through, settled_through, grace_until, cancel_at_period_end)
      IS DISTINCT FROM (old_plan_id, old_status, old_paid_through, old_settled, old_grace_until, old_cancel))::int AS changed`;
