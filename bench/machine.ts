import { execFile } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';

const run = promisify(execFile);

/** A description of the machine, and the pids of its database servers. */
export interface Machine {
  readonly description: Readonly<Record<string, string>>;
  readonly postgresPid: number;
  readonly redisPid: number;
}

const settings = [
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_sync_method',
  'shared_buffers',
  'max_wal_size',
];

export async function describeMachine(ownerUrl: string, redisUrl: string): Promise<Machine> {
  const postgres = await describePostgres(ownerUrl);
  const redis = await describeRedis(redisUrl);
  const [first] = cpus();
  return {
    description: {
      processor: `${first?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
      memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
      kernel: `Linux ${release()}`,
      node: `${process.version}, OpenSSL ${process.versions.openssl}`,
      postgresql: postgres.text,
      redis: redis.text,
    },
    postgresPid: postgres.postmaster,
    redisPid: redis.pid,
  };
}

/** The load average of the last minute. Above the number of cores, other programs were running too. */
export function loadAverage(): number {
  return Math.round((loadavg()[0] ?? 0) * 10) / 10;
}

async function describePostgres(url: string): Promise<{ text: string; postmaster: number }> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string; data: string; file: string; values: string }>(
      `SELECT current_setting('server_version') AS version, pg_read_file('postmaster.pid') AS file,
         (SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name)
          FROM unnest($1::text[]) name) AS values`,
      [settings],
    );
    const [row] = rows;
    return { text: `${row?.version} (${row?.values})`, postmaster: Number(row?.file.split('\n')[0]) };
  } finally {
    await client.end();
  }
}

async function describeRedis(url: string): Promise<{ text: string; pid: number }> {
  const redis = new Redis(url);
  try {
    const info = await redis.info('server');
    const [, fsync = ''] = await redis.config('GET', 'appendfsync');
    const [, append = ''] = await redis.config('GET', 'appendonly');
    const version = /^redis_version:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    return {
      text: `${version} (appendonly ${append}, appendfsync ${fsync})`,
      pid: Number(/^process_id:(\d+)/m.exec(info)?.[1]),
    };
  } finally {
    redis.disconnect();
  }
}

export interface OpenSslSpeed {
  readonly version: string;
  readonly signsPerSecond: number;
  readonly verifiesPerSecond: number;
}

/** Runs `openssl speed rsa2048` on one core. @returns undefined when there is no openssl */
export async function opensslSpeed(seconds: number): Promise<OpenSslSpeed | undefined> {
  try {
    const { stdout: version } = await run('openssl', ['version']);
    const { stdout } = await run('openssl', ['speed', '-mr', '-seconds', String(seconds), 'rsa2048']);
    // +F2:<number>:<bits>:<signs a second>:<verifies a second>
    const [, , , sign, verify] = /^\+F2:.*$/m.exec(stdout)?.[0].split(':') ?? [];
    return { version: version.trim(), signsPerSecond: Number(sign), verifiesPerSecond: Number(verify) };
  } catch {
    return undefined;
  }
}
