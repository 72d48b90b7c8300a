import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { GatekeeperLogger } from '../../logger/index.js';
import { Background, Upkeep } from '../../platform/background/index.js';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../../platform/config/index.js';
import { Readiness } from '../../platform/health/index.js';
import { postgresAdapter } from '../adapter.js';
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
export class IdentityUpkeep extends Upkeep {
  constructor(prisma: IdentityPrisma, clock: Clock, logger: GatekeeperLogger, background: Background) {
    super((name, at, work) => exclusively(prisma, name, at, work), clock, logger, background);
  }
}

async function exclusively(
  prisma: IdentityPrisma,
  name: string,
  at: Date,
  work: () => Promise<void>,
): Promise<boolean> {
  return prisma.$transaction(
    async (transaction) => {
      const [lock] = await transaction.$queryRaw<{ locked: boolean }[]>`
        SELECT pg_try_advisory_xact_lock(hashtext('identity-upkeep'), hashtext(${name})) AS locked`;
      if (lock?.locked !== true) return false;
      await work();
      await transaction.upkeep.upsert({ where: { name }, create: { name, lastAt: at }, update: { lastAt: at } });
      return true;
    },
    { timeout: 60_000 },
  );
}
