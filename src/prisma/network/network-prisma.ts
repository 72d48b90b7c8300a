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
          INSERT INTO "MaintenanceRun" AS u (name, last_at, since) VALUES (${name}, ${at}, ${at})
          ON CONFLICT (name) DO UPDATE SET last_at = excluded.last_at,
            since = CASE WHEN u.last_at < excluded.last_at - ${maintenanceGapSeconds} * interval '1 second' THEN excluded.since ELSE u.since END`,
      );
    super(run, clock, logger, background);
  }
}

/**
 * A run later than this after the one before means that the service, or its database, was down in between. Three times the
 * interval of the job whose row is read (the nodes' health); the outage that passes for none, together with the 10 s between
 * two pulses, must stay below the 30 s of silence that make a node unhealthy.
 */
export const maintenanceGapSeconds = 15;
