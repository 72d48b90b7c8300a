import { Injectable } from '@nestjs/common';
import { NetworkPrisma, Prisma, maintenanceGapSeconds } from '../prisma/network/index.js';
import { type FleetLiveness, retiredRetentionSeconds, lostSeconds, unhealthySeconds } from './liveness.js';

/** The maintenance job whose row in "MaintenanceRun" shows since when this service has been running. */
export const healthJob = 'node-health';

export interface LivenessReport extends FleetLiveness {
  /** Ids of nodes that were silent for longer than `lostSeconds`. */
  readonly lost: string[];
}

/**
 * Measures how long nodes have been silent: since their last pulse or since this service started, whichever is later, because
 * no pulse could arrive while the service was down. Without a recent run of the health job the service has only just started,
 * and no node counts as silent yet.
 */
@Injectable()
export class HealthStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  async markUnhealthy(now: Date): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE "Node" n SET status = 'unhealthy' FROM ${upSince(now)} up
      WHERE n.status = 'healthy' AND GREATEST(n.last_pulse_at, up.since) < ${secondsBefore(now, unhealthySeconds)}`;
  }

  async readLiveness(now: Date): Promise<LivenessReport> {
    const [report] = await this.prisma.$queryRaw<[LivenessReport]>`
      SELECT count(*)::int AS nodes,
        (count(*) FILTER (WHERE seen_at < ${secondsBefore(now, unhealthySeconds)}))::int AS silent,
        coalesce(array_agg(id::text) FILTER (WHERE seen_at < ${secondsBefore(now, lostSeconds)}), '{}') AS lost
      FROM (SELECT n.id, GREATEST(n.last_pulse_at, up.since) AS seen_at
            FROM "Node" n, ${upSince(now)} up WHERE n.status <> 'retired') node`;
    return report;
  }

  /** Deletes retired nodes that have been silent for `retiredRetentionSeconds` and have no connections. */
  async deleteRetired(now: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM "Node" n
      WHERE n.status = 'retired' AND n.last_pulse_at < ${secondsBefore(now, retiredRetentionSeconds)}
        AND NOT EXISTS (SELECT 1 FROM "Connection" c WHERE c.node_id = n.id)`;
  }
}

/** One row while the service is running; no row when it has just started. */
function upSince(now: Date): Prisma.Sql {
  return Prisma.sql`(
    SELECT since FROM "MaintenanceRun" WHERE name = ${healthJob} AND last_at >= ${secondsBefore(now, maintenanceGapSeconds)})`;
}

function secondsBefore(now: Date, seconds: number): Date {
  return new Date(now.getTime() - seconds * 1000);
}
