import { Injectable } from '@nestjs/common';
import { NetworkPrisma, Prisma, maintenanceGapSeconds } from '../prisma/network/index.js';
import { type FleetHearing, forgottenSeconds, lostSeconds, unhealthySeconds } from './silence.js';

/** The job whose row in "MaintenanceRun" says since when this service has been up. */
export const healthJob = 'node-health';

export interface Hearing extends FleetHearing {
  /** Unheard for longer than `lostSeconds`. */
  readonly lost: string[];
}

/**
 * Silence counts from the last pulse or from the moment this service came up, whichever is later: nobody could have been
 * heard before. Without a recent run of the health job the service has just come up, and nobody is silent yet.
 */
@Injectable()
export class HealthStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  async markUnhealthy(now: Date): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE "Node" n SET status = 'unhealthy' FROM ${upSince(now)} up
      WHERE n.status = 'healthy' AND GREATEST(n.last_pulse_at, up.since) < ${secondsBefore(now, unhealthySeconds)}`;
  }

  async hear(now: Date): Promise<Hearing> {
    const [hearing] = await this.prisma.$queryRaw<[Hearing]>`
      SELECT count(*)::int AS nodes,
        (count(*) FILTER (WHERE heard_at < ${secondsBefore(now, unhealthySeconds)}))::int AS silent,
        coalesce(array_agg(id::text) FILTER (WHERE heard_at < ${secondsBefore(now, lostSeconds)}), '{}') AS lost
      FROM (SELECT n.id, GREATEST(n.last_pulse_at, up.since) AS heard_at
            FROM "Node" n, ${upSince(now)} up WHERE n.status <> 'retired') heard`;
    return hearing;
  }

  /** Drops nodes that are retired, unheard for `forgottenSeconds`, and serve nobody. */
  async forgetRetired(now: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "Node" n
      WHERE n.status = 'retired' AND n.last_pulse_at < ${secondsBefore(now, forgottenSeconds)}
        AND NOT EXISTS (SELECT 1 FROM "Connection" c WHERE c.node_id = n.id)`;
  }
}

/** One row when the service is up, none when it was down until now. */
function upSince(now: Date): Prisma.Sql {
  return Prisma.sql`(
    SELECT since FROM "MaintenanceRun" WHERE name = ${healthJob} AND last_at >= ${secondsBefore(now, maintenanceGapSeconds)})`;
}

function secondsBefore(now: Date, seconds: number): Date {
  return new Date(now.getTime() - seconds * 1000);
}
