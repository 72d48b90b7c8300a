import { Redis } from 'ioredis';
import type pg from 'pg';
import { openPool } from '../../support/postgres.js';
import { hourMs, type ServiceClock } from './service-clock.js';
import { type Stacks } from './stacks.js';

/** Deletes what PostgreSQL and Redis would have deleted by their own clocks, which do not jump. */
export class StoreExpiry {
  private readonly owner: pg.Pool;

  constructor(
    private readonly stacks: Stacks,
    private readonly clock: ServiceClock,
  ) {
    this.owner = openPool({ connectionString: stacks.network.services.ownerUrl, max: 1 });
  }

  /** As `LifecycleStore.purge` does. It uses PostgreSQL's clock, because a tombstone that goes too early lets a token be spent twice. */
  async purgeTombstones(): Promise<void> {
    await this.owner.query(
      `DELETE FROM network."Connection" c USING network."VerifierKey" k
       WHERE c.status = 'ended' AND c.key_id = k.key_id AND k.verify_until + interval '2 hours' < $1`,
      [this.clock.now()],
    );
  }

  /**
   * Spent tokens expire at a time of the service. The counts of rate limits expire after a minute of the machine's clock, for
   * which the last hour took less than a second: what expires within an hour would be gone.
   */
  async expireKeys(): Promise<void> {
    const { start } = this.clock;
    const now = this.clock.now().getTime();
    for (const { services } of this.stacks.all) {
      const redis = new Redis(services.redisUrl);
      for (const key of await redis.keys('*')) {
        const at = await redis.pexpiretime(key);
        const isExpired = at < start ? at < Date.now() + hourMs : at < now;
        if (at >= 0 && isExpired) await redis.del(key);
      }
      redis.disconnect();
    }
  }

  async stop(): Promise<void> {
    await this.owner.end();
  }
}
