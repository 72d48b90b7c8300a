import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { recordAct } from '../platform/audit/index.js';
import { raiseEvent } from '../platform/jobs/index.js';
import {
  type AuditEvent,
  type BlockReason,
  IdentityPrisma,
  Prisma,
  type SubscriptionEventKind,
} from '../prisma/identity/index.js';
import { accessGrantedElsewhere } from './events.js';

/** An operator's action on a user, for the audit log. It is written in the statement that performs the action. */
export interface OperatorAct {
  readonly userId: string;
  /** Name of the operator. */
  readonly actor: string;
  /** As the operator stated it. */
  readonly reason: string;
  readonly at: Date;
}

export interface Account {
  readonly userId: string;
  readonly firebaseUid: string;
  readonly email: string | null;
}

/** Greater than every real `fetchVersion`, so no fetch overrules the operator's decision. */
export const sealedFetchVersion = 2n ** 63n - 1n;

@Injectable()
export class OperatorAccessStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Accounts with this id, Firebase UID or address. */
  async find(name: string): Promise<Account[]> {
    return this.prisma.$queryRaw<Account[]>`
      SELECT id AS "userId", firebase_uid AS "firebaseUid", email FROM "User"
      WHERE id::text = ${name} OR firebase_uid = ${name} OR lower(email) = lower(${name}) ORDER BY id`;
  }

  async grant(act: OperatorAct, planId: string, until: Date): Promise<void> {
    await this.prisma.$queryRaw`
      WITH granted AS (
        INSERT INTO "Subscription" (user_id, provider, provider_ref, plan_id, status, paid_through)
        VALUES (${act.userId}::uuid, 'operator', ${`operator:${randomUUID()}`}, ${planId}, 'ACTIVE', ${until}) RETURNING *
      ), written AS (${insertEvent(act, 'started')} FROM granted), noted AS (${recordAct({ ...act, action: 'subscription.grant' })} FROM granted),
      raised AS (${raiseEvent(accessGrantedElsewhere, Prisma.sql`SELECT user_id FROM granted`)})
      SELECT jobs FROM raised`;
  }

  /** Ends the user's active grants of operators. @returns how many */
  async revoke(act: OperatorAct): Promise<number> {
    const rows = await this.prisma.$queryRaw<[{ n: number }]>`
      WITH revoked AS (
        UPDATE "Subscription" SET status = 'REVOKED'
        WHERE user_id = ${act.userId}::uuid AND provider = 'operator' AND status = 'ACTIVE' AND paid_through > ${act.at}
        RETURNING *
      ), written AS (${insertEvent(act, 'revoked')} FROM revoked), noted AS (${recordAct({ ...act, action: 'subscription.revoke' })} FROM (SELECT FROM revoked LIMIT 1) any_at_all)
      SELECT count(*)::int AS n FROM revoked`;
    return rows[0].n;
  }

  async block(act: OperatorAct, kind: BlockReason): Promise<void> {
    await this.prisma.$executeRaw`
      WITH blocked AS (
        INSERT INTO "AccessBlock" (user_id, reason) VALUES (${act.userId}::uuid, ${kind}::"BlockReason") RETURNING 1
      ) ${recordAct({ ...act, action: `access.block.${kind}` })} FROM blocked`;
  }

  /** Lifts every block. Seals those of disputes, so that no fetch sets them again. @returns how many */
  async unblock(act: OperatorAct): Promise<number> {
    const rows = await this.prisma.$queryRaw<[{ n: number }]>`
      WITH lifted AS (
        UPDATE "AccessBlock" SET lifted_on = ${act.at}::timestamptz::date,
          fetch_version = CASE WHEN provider_ref IS NULL THEN NULL ELSE ${sealedFetchVersion}::bigint END
        WHERE user_id = ${act.userId}::uuid AND lifted_on IS NULL RETURNING 1
      ), noted AS (${recordAct({ ...act, action: 'access.unblock' })} FROM (SELECT FROM lifted LIMIT 1) any_at_all)
      SELECT count(*)::int AS n FROM lifted`;
    return rows[0].n;
  }

  /** Newest first. */
  async history(userId: string): Promise<AuditEvent[]> {
    return this.prisma.auditEvent.findMany({ where: { userId }, orderBy: { id: 'desc' }, take: 50 });
  }
}

const insertEvent = ({ at }: OperatorAct, kind: SubscriptionEventKind) => Prisma.sql`
  INSERT INTO "SubscriptionEvent" (user_id, provider, kind, plan_id, until, at)
  SELECT user_id, provider, ${kind}::"SubscriptionEventKind", plan_id, paid_through, ${at}::timestamptz`;
