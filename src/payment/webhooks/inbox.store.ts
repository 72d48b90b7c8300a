import { Injectable } from '@nestjs/common';
import { addJob, IdentityJobs, jobForEach } from '../../platform/jobs/index.js';
import { IdentityPrisma, type PaymentProvider, Prisma, type WebhookState } from '../../prisma/identity/index.js';

/** What an event of a provider says: that something changed, and what to look up. */
export interface ArrivedEvent {
  readonly provider: PaymentProvider;
  /** The provider's name for it; a second delivery is no second event. */
  readonly eventId: string;
  readonly type: string;
  /** What to ask the provider for. */
  readonly objectRef: string;
  readonly occurredAt: Date;
}

/** Something to look up at a provider. */
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
  /** Of the pending ones. */
  readonly oldest: Date | null;
}

/** A look-up that repairs comes after those that events ask for. */
const repairPriority = 10;

/** The task of the jobs that look things up at a provider. */
export const syncTask = (provider: PaymentProvider) => `sync-${provider}`;

/** The job that looks something up. */
const syncJob = ({ provider, objectRef }: FetchTarget, repair = false) => ({
  task: syncTask(provider),
  payload: { objectRef, ...(repair && { repair }) },
  key: `${provider}:${objectRef}`,
  priority: repair ? repairPriority : 0,
});

/** The jobs of `syncJob` as `jobForEach` takes them, for a query of `provider` and `objectRef`. Whatever comes twice has one. */
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
   * Keeps an event, together with the job that looks up what it speaks of: one statement, so both or neither. A second
   * delivery finds the first and adds nothing.
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

  /** Has something looked up again that no event asked for, after all that events ask for. */
  async repair(objectRef: FetchTarget): Promise<void> {
    await this.prisma.$queryRaw`SELECT ${addJob(syncJob(objectRef, true))} AS job`;
  }

  /** Greater than every ticket taken and the number of every event that had arrived before. */
  async nextFetchVersion(): Promise<bigint> {
    const [row] = await this.prisma.$queryRaw<[{ version: bigint }]>`
      SELECT nextval('"WebhookEvent_id_seq"') AS version`;
    return row.version;
  }

  /**
   * Marks the events that a look-up has dealt with: those that arrived before its ticket was taken, for it began to ask
   * after them. Later ones have a job of their own.
   *
   * @param reason why they are put aside; without it they are done
   * @returns when the events happened that were pending
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

  /** Adds a job for each pending event that has none. @returns how many */
  async revive(receivedBefore: Date): Promise<number> {
    return this.jobs.requeueMissing(
      syncJobs(Prisma.sql`
        SELECT provider, object_ref FROM "WebhookEvent" WHERE state = 'pending' AND received_at < ${receivedBefore}`),
    );
  }

  /** Makes parked events pending again, all or those of one look-up. @returns how many */
  async retry(objectRef?: string): Promise<number> {
    const which = objectRef === undefined ? Prisma.empty : Prisma.sql`AND object_ref = ${objectRef}`;
    const rows = await this.prisma.$queryRaw<{ n: number }[]>`
      WITH retried AS (
        UPDATE "WebhookEvent" SET state = 'pending', reason = NULL WHERE state = 'dead_lettered' ${which} RETURNING provider, object_ref
      ), asked AS (${jobForEach(syncJobs(Prisma.sql`SELECT provider, object_ref FROM retried`))})
      SELECT (SELECT count(*) FROM retried)::int AS n, (SELECT jobs FROM asked) AS jobs`;
    return rows[0]?.n ?? 0;
  }

  async list(state: WebhookState, limit: number): Promise<InboxRow[]> {
    return this.prisma.webhookEvent.findMany({ where: { state }, orderBy: { id: 'desc' }, take: limit });
  }

  async counts(): Promise<InboxCounts> {
    const [row] = await this.prisma.$queryRaw<[InboxCounts]>`
      SELECT count(*) FILTER (WHERE state = 'pending')::int AS pending, count(*) FILTER (WHERE state = 'dead_lettered')::int AS "deadLettered",
        min(received_at) FILTER (WHERE state = 'pending') AS oldest
      FROM "WebhookEvent" WHERE state <> 'done'`;
    return row;
  }

  /**
   * Forgets what was dealt with, and later what nobody will deal with: purchases that no account claims. An app that shows one
   * after all has it looked up without its events.
   */
  async purge(doneBefore: Date, unclaimedBefore: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "WebhookEvent" WHERE (state = 'done' AND received_at < ${doneBefore})
        OR (state = 'dead_lettered' AND reason = 'unknown_account' AND received_at < ${unclaimedBefore})`;
  }
}
