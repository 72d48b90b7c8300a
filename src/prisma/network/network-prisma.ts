import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AnonymizerLogger } from '../../logger/index.js';
import { Background, type Exclusively, Maintenance } from '../../platform/background/index.js';
import { ANONYMIZER_CONFIG, type AnonymizerConfig, Clock } from '../../platform/config/index.js';
import { Readiness } from '../../platform/health/index.js';
import { postgresAdapter } from '../adapter.js';
import { exclusively } from '../exclusively.js';
import { PrismaClient } from '../generated/network/client.js';
import { versionQuery, watchPostgres } from '../postgres-version.js';

/** The network database, as the role `vpn_network`. */
@Injectable()
export class NetworkPrisma extends PrismaClient implements OnApplicationShutdown {
  constructor(@Inject(ANONYMIZER_CONFIG) config: AnonymizerConfig, readiness: Readiness, background: Background) {
    super({ adapter: postgresAdapter(config.databaseUrl, 'network') });
    watchPostgres('network', () => this.$queryRawUnsafe(versionQuery), { readiness, background });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.$disconnect();
  }
}

@Injectable()
export class NetworkMaintenance extends Maintenance {
  constructor(prisma: NetworkPrisma, clock: Clock, logger: AnonymizerLogger, background: Background) {
    const run: Exclusively = (name, at, work) =>
      exclusively(
        prisma,
        { lock: 'network-maintenance', name },
        work,
        (transaction) => transaction.$executeRaw`
          INSERT INTO "MaintenanceRun" AS run (name, last_at, since) VALUES (${name}, ${at}, ${at})
          ON CONFLICT (name) DO UPDATE SET last_at = excluded.last_at,
            since = CASE WHEN run.last_at < excluded.last_at - ${maintenanceGapSeconds} * interval '1 second' THEN excluded.since ELSE run.since END`,
      );
    super(run, clock, logger, background);
  }
}

/**
 * A longer time between two runs means that the service or its database was down. It is three times the interval of the job
 * whose row is read, the node health check. An outage shorter than this goes unnoticed, so this plus the 10 s between two
 * pulses must stay below the 30 s of silence that make a node unhealthy.
 */
export const maintenanceGapSeconds = 15;
