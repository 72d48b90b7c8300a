import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { DataFolder, type Services, startServices } from './index.js';
import { identify, isAlive, type ProcessIdentity, waitForEnd } from './process-identity.js';
import { useRedis } from './redis.js';

const cleanUp: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

function temporaryFolder(): string {
  // mkdtemp creates a 0700 folder, which PostgreSQL's user cannot enter when the tests run as root.
  const folder = mkdtempSync(join(tmpdir(), 'services-'));
  cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(options?: Parameters<typeof startServices>[0]): Promise<Services> {
  const services = await startServices(options);
  cleanUp.push(() => services.stop());
  return services;
}

async function sql(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

async function redis<T>(url: string, use: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url);
  try {
    return await use(client);
  } finally {
    client.disconnect();
  }
}

function serversOf(folder: string): ProcessIdentity[] {
  const claim = JSON.parse(readFileSync(join(folder, 'claim.json'), 'utf8')) as { servers: ProcessIdentity[] };
  return claim.servers;
}

/** The identity of a process that has ended, for the claim of a killed launcher. */
async function deadProcess(): Promise<ProcessIdentity> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const identity = identify(child.pid!);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return identity;
}

function pretendKilled(folder: string, launcher: ProcessIdentity, servers: readonly ProcessIdentity[]): void {
  writeFileSync(join(folder, 'claim.json'), JSON.stringify({ launcher, servers }));
}

describe('startServices', () => {
  it('keeps data and keys through a kill and a restart on the same port', async () => {
    const services = await start();
    await sql(services.ownerUrl, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)');
    await redis(services.redisUrl, (client) => client.set('kept', '1'));

    await Promise.all([services.killPostgres(), services.killRedis()]);
    await expect(sql(services.ownerUrl, 'SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await Promise.all([services.restartPostgres(), services.restartRedis()]);

    expect(await sql(services.ownerUrl, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
    expect(await redis(services.redisUrl, (client) => client.get('kept'))).toBe('1');
    await services.flushRedis();
    expect(await redis(services.redisUrl, (client) => client.get('kept'))).toBeNull();
  });

  it('keeps the data folder for the next start, and no process', async () => {
    const dataDir = temporaryFolder();
    const first = await startServices({ dataDir });
    const servers = serversOf(dataDir);
    await sql(first.ownerUrl, 'CREATE TABLE kept (n int)');
    await first.stop();
    expect(servers).toHaveLength(2);
    expect(servers.filter(isAlive)).toEqual([]);

    const second = await start({ dataDir });
    expect(await sql(second.ownerUrl, 'SELECT n FROM kept')).toEqual([]);
  });

  it('runs several stacks at once, but never two on one data folder', async () => {
    const dataDir = temporaryFolder();
    const [one, other] = await Promise.all([start({ dataDir }), start()]);
    expect(one.redisUrl).not.toBe(other.redisUrl);
    await expect(startServices({ dataDir })).rejects.toThrow(`Another stack (process ${process.pid}) is running on`);
  });

  it('ends the servers of a killed launcher and takes over its data', async () => {
    const dataDir = temporaryFolder();
    const killed = await start({ dataDir });
    const orphans = serversOf(dataDir);
    pretendKilled(dataDir, await deadProcess(), orphans);

    const next = await start({ dataDir });
    expect(orphans.filter(isAlive)).toEqual([]);
    expect(await sql(next.ownerUrl, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    await expect(sql(killed.ownerUrl, 'SELECT 1')).rejects.toThrow();
  });

  it('removes the processes and files of a killed ephemeral stack', async () => {
    const left = await DataFolder.ephemeral();
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
    const orphan = spawn('sleep', ['60'], { stdio: 'ignore' });
    cleanUp.push(() => void bystander.kill('SIGKILL'));
    // The bystander has the pid of a former server, but is another process.
    const reused = { ...identify(bystander.pid!), started: 'long ago' };
    pretendKilled(left.path, await deadProcess(), [identify(orphan.pid!), reused]);

    (await DataFolder.ephemeral()).release();

    expect(await waitForEnd(identify(process.pid), 0)).toBe(false);
    expect(existsSync(left.path)).toBe(false);
    expect(orphan.signalCode ?? (await once(orphan, 'exit'))[1]).toBe('SIGKILL');
    expect(isAlive(identify(bystander.pid!))).toBe(true);
  });

  it('refuses a given Redis that may evict spent tokens', async () => {
    const services = await start();
    await useRedis(services.redisUrl);
    await redis(services.redisUrl, (client) => client.config('SET', 'maxmemory-policy', 'allkeys-lru'));
    await expect(useRedis(services.redisUrl)).rejects.toThrow('its maxmemory-policy is allkeys-lru');
  });
});
