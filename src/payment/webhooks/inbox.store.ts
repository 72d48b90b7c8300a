import { Injectable } from '@nestjs/common';
import { addJob, IdentityJobs, jobForEach } from '../../platform/jobs/index.js';
import { IdentityPrisma, type PaymentProvider, Prisma, type WebhookState } from '../../prisma/identity/index.js';

/** A provider's event. It says only that an object changed; the object itself is fetched later. */
export interface ArrivedEvent {
  readonly provider: PaymentProvider;
  /** The provider's id. A second delivery has the same id and is ignored. */
  readonly eventId: string;
  readonly type: string;
  /** The object to fetch from the provider. */
  readonly objectRef: string;
  readonly occurredAt: Date;
}

/** An object to fetch from a provider. */
export interface FetchTarget {
  readonly provider: PaymentProvider;
  readonly objectRef: string;
}

export interface InboxRow extends ArrivedEvent {
  readonly id: bigint;
  readonly receivedAt: Date;
  readonly state: WebhookState;
  readonly reason: string | null;
}

export interface InboxCounts {
  readonly pending: number;
  readonly deadLettered: number;
  /** When the oldest pending event was received; null if no event is pending. */
  readonly oldestPending: Date | null;
}

/** Fetches for repairs run after those for events. */
const repairPriority = 10;

/** The task of the jobs that fetch from a provider. */
export const syncTask = (provider: PaymentProvider) => `sync-${provider}`;

/** The job that fetches one object. */
const syncJob = ({ provider, objectRef }: FetchTarget, repair = false) => ({
  task: syncTask(provider),
  payload: { objectRef, ...(repair && { repair }) },
  key: `${provider}:${objectRef}`,
  priority: repair ? repairPriority : 0,
});

/** As `syncJob`, for `jobForEach`: one job for each distinct row of a query of `provider` and `object_ref`. */
const syncJobs = (targets: Prisma.Sql) => Prisma.sql`
  SELECT 'sync-' || provider AS task, provider || ':' || object_ref AS key, json_build_object('objectRef', object_ref) AS payload
  FROM (SELECT DISTINCT provider, object_ref FROM (${targets}) targets) each_once`;

@Injectable()
export class InboxStore {
  constructor(
    private readonly prisma: IdentityPrisma,
    private readonly jobs: IdentityJobs,
  ) {}

  /**
   * Stores an event together with the job that fetches its object. It is one statement, so both are stored or neither. A
   * second delivery finds the first and adds nothing.
   *
   * @returns whether the event is new
   */
  async receive(event: ArrivedEvent, now: Date): Promise<boolean> {
    const rows = await this.prisma.$queryRaw<unknown[]>`
      WITH arrived AS (
        INSERT INTO "WebhookEvent" (provider, event_id, type, object_ref, occurred_at, received_at)
        VALUES (${event.provider}::"PaymentProvider", ${event.eventId}, ${event.type}, ${event.objectRef},
          ${event.occurredAt}, ${now})
        ON CONFLICT (provider, event_id) DO NOTHING RETURNING 1
      )
      SELECT ${addJob(syncJob(event))} AS job FROM arrived`;
    return rows.length > 0;
  }

  /** Adds a job that fetches an object again although no event announced a change. It runs after the jobs of events. */
  async enqueueRepair(target: FetchTarget): Promise<void> {
    await this.prisma.$queryRaw`SELECT ${addJob(syncJob(target, true))} AS job`;
  }

  /** A fencing token, greater than all before it and than the id of every event that arrived before. */
  async nextFetchVersion(): Promise<bigint> {
    const [row] = await this.prisma.$queryRaw<[{ version: bigint }]>`
      SELECT nextval('"WebhookEvent_id_seq"') AS version`;
    return row.version;
  }

  /**
   * Settles the events that a fetch has covered: those that arrived before its `fetchVersion` was taken, because the fetch
   * started after them. Later events have a job of their own.
   *
   * @param reason dead-letters the events; without it they are done
   * @returns when each event that was pending had occurred
   */
  async settle({ provider, objectRef }: FetchTarget, fetchVersion: bigint, reason?: string): Promise<Date[]> {
    const state = reason === undefined ? 'done' : 'dead_lettered';
    const rows = await this.prisma.$queryRaw<{ occurred_at: Date; was: WebhookState }[]>`
      UPDATE "WebhookEvent" e SET state = ${state}::"WebhookState", reason = ${reason ?? null}
      FROM (SELECT id, state FROM "WebhookEvent" WHERE provider = ${provider}::"PaymentProvider" AND object_ref = ${objectRef}
        AND id < ${fetchVersion} AND state <> 'done') before
      WHERE e.id = before.id RETURNING e.occurred_at, before.state::text AS was`;
    return rows.filter(({ was }) => was === 'pending').map((row) => row.occurred_at);
  }

  /** Adds a job for each pending event that has lost its own. @returns how many */
  async requeueMissing(receivedBefore: Date): Promise<number> {
    return this.jobs.requeueMissing(
      syncJobs(Prisma.sql`
        SELECT provider, object_ref FROM "WebhookEvent" WHERE state = 'pending' AND received_at < ${receivedBefore}`),
    );
  }

  /** Makes dead-lettered events pending again: those of one object, or all. @returns how many */
  async retry(objectRef?: string): Promise<number> {
    const which = objectRef === undefined ? Prisma.empty : Prisma.sql`AND object_ref = ${objectRef}`;
    const rows = await this.prisma.$queryRaw<{ n: number }[]>`
      WITH retried AS (
        UPDATE "WebhookEvent" SET state = 'pending', reason = NULL WHERE state = 'dead_lettered' ${which} RETURNING provider, object_ref
      ), queued AS (${jobForEach(syncJobs(Prisma.sql`SELECT provider, object_ref FROM retried`))})
      SELECT (SELECT count(*) FROM retried)::int AS n, (SELECT jobs FROM queued) AS jobs`;
    return rows[0]?.n ?? 0;
  }

  async list(state: WebhookState, limit: number): Promise<InboxRow[]> {
    return this.prisma.webhookEvent.findMany({ where: { state }, orderBy: { id: 'desc' }, take: limit });
  }

  async counts(): Promise<InboxCounts> {
    const [row] = await this.prisma.$queryRaw<[InboxCounts]>`
      SELECT count(*) FILTER (WHERE state = 'pending')::int AS pending, count(*) FILTER (WHERE state = 'dead_lettered')::int AS "deadLettered",
        min(received_at) FILTER (WHERE state = 'pending') AS "oldestPending"
      FROM "WebhookEvent" WHERE state <> 'done'`;
    return row;
  }

  /**
   * Deletes events that are done, and after a longer time events of purchases that no account has claimed. If an app claims
   * such a purchase later, the purchase is fetched without its events.
   */
  async purge(doneBefore: Date, unclaimedBefore: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "WebhookEvent" WHERE (state = 'done' AND received_at < ${doneBefore})
        OR (state = 'dead_lettered' AND reason = 'unknown_account' AND received_at < ${unclaimedBefore})`;
  }
}
