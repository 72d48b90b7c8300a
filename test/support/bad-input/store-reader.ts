import { Redis } from 'ioredis';
import pg from 'pg';
import { type TestStack } from '../stack.js';

/** One line for each table, with its number of rows and a hash of their content, and one line for each key of Redis. */
export type Stored = readonly string[];

/**
 * Reads the stores of both sides, to check that bad requests change nothing. It ignores rate limits, which count bad requests
 * too, and the tables that maintenance jobs and tallies change at any time.
 */
export class StoreReader {
  private constructor(
    private readonly postgres: pg.Client,
    private readonly redis: Redis,
    private readonly statement: string,
  ) {}

  static async open({ ownerUrl, redisUrl }: Pick<TestStack, 'ownerUrl' | 'redisUrl'>): Promise<StoreReader> {
    const postgres = new pg.Client(ownerUrl);
    await postgres.connect();
    const { rows } = await postgres.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_schema IN ('identity', 'network') AND table_type = 'BASE TABLE' AND table_name NOT IN ('MaintenanceRun', 'UsageTally') ORDER BY 1`,
    );
    const counts = rows.map(
      ({ name }) => `SELECT ${pg.escapeLiteral(name)} || ': ' || count(*) || ' rows ' ||
        coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS line FROM ${name} t`,
    );
    return new StoreReader(postgres, new Redis(redisUrl), counts.join(' UNION ALL '));
  }

  async read(): Promise<Stored> {
    const { rows } = await this.postgres.query<{ line: string }>({ name: 'stored', text: this.statement });
    const keys = (await this.redis.keys('*')).filter((name) => !/^(gk|an):limit:/.test(name));
    return [...rows.map(({ line }) => line), ...keys].sort();
  }

  /** Connections that wait for a node's acknowledgement, which will change their rows. */
  async countPendingConnections(): Promise<number> {
    const { rowCount } = await this.postgres.query(
      `SELECT FROM network."Connection" WHERE status IN ('pending', 'ending')`,
    );
    return rowCount ?? 0;
  }

  /**
   * Account deletions and notification deliveries in progress. Good requests have started them. Their writes would look like
   * writes of bad requests.
   */
  async countPendingWork(): Promise<number> {
    const { rows } = await this.postgres.query<{ n: number }>(
      `SELECT ((SELECT count(*) FROM identity."AccountDeletion" WHERE erased_at IS NULL)
         + (SELECT count(*) FROM identity."NotificationDelivery" d WHERE state = 'pending' AND (claimed_until IS NOT NULL
           OR (reason IS NULL AND NOT EXISTS (SELECT FROM identity."DeliveryPause" p WHERE p.channel = d.channel)))))::int AS n`,
    );
    return rows[0]?.n ?? 0;
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.postgres.end();
  }
}
