import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { GatekeeperLogger } from '../../logger/index.js';
import { Background, type Exclusively, Maintenance } from '../../platform/background/index.js';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import { Readiness } from '../../platform/health/index.js';
import { postgresAdapter } from '../adapter.js';
import { exclusively } from '../exclusively.js';
import { PrismaClient } from '../generated/identity/client.js';
import { versionQuery, watchPostgres } from '../postgres-version.js';

/** The identity database, as the role `vpn_identity`. */
@Injectable()
export class IdentityPrisma extends PrismaClient implements OnApplicationShutdown {
  constructor(@Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig, readiness: Readiness, background: Background) {
    super({ adapter: postgresAdapter(config.databaseUrl, 'identity') });
    watchPostgres('identity', () => this.$queryRawUnsafe(versionQuery), { readiness, background });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.$disconnect();
  }
}

@Injectable()
export class IdentityMaintenance extends Maintenance {
  constructor(prisma: IdentityPrisma, clock: Clock, logger: GatekeeperLogger, background: Background) {
    const run: Exclusively = (name, at, work) =>
      exclusively(prisma, { lock: 'identity-maintenance', name }, work, ({ maintenanceRun }) =>
        maintenanceRun.upsert({ where: { name }, create: { name, lastAt: at }, update: { lastAt: at } }),
      );
    super(run, clock, logger, background);
  }
}
