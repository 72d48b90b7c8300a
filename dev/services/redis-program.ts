import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { findProgram } from './programs.js';

/** Redis 7.0 is the first to allow `SET … NX GET` together with `EXAT`. */
export const minMajor = 7;

export interface RedisProgram {
  readonly path: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** The folder for a Redis that could not be installed for the whole machine. */
const localFolder = resolve('.setup/redis');

const advice = `Install Redis ${minMajor}.0 or later (https://redis.io/docs/latest/operate/oss_and_stack/install/), or set REDIS_URL to a running Redis with maxmemory-policy noeviction.`;

/**
 * Finds `redis-server` on the PATH or in this checkout, or installs it: with apt as root or through `sudo -n`, else by unpacking
 * Debian's package, or with Homebrew on macOS.
 *
 * @throws {Error} that says what to do when there is no Redis, or only one that is too old
 */
export async function findOrInstallRedis(): Promise<RedisProgram> {
  const found = onPath('redis-server') ?? unpacked();
  const program = found ?? (await installed());
  if (!program) throw new Error(`Found no redis-server on the PATH and could not install one. ${advice}`);
  const version = versionOf(program);
  if (!(Number.parseInt(version) >= minMajor)) {
    throw new Error(`${program.path} is Redis ${version}, which is too old for this service. ${advice}`);
  }
  return program;
}

function onPath(name: string): RedisProgram | undefined {
  const path = findProgram(name);
  return path === undefined ? undefined : { path };
}

function versionOf(program: RedisProgram): string {
  const output = spawnSync(program.path, ['--version'], { encoding: 'utf8', env: { ...process.env, ...program.env } });
  return /v=(\S+)/.exec(output.stdout)?.[1] ?? `unknown (${output.stderr.trim()})`;
}

async function installed(): Promise<RedisProgram | undefined> {
  const apt = onPath('apt-get');
  const brew = onPath('brew');
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (apt && (asRoot.length === 0 || spawnSync('sudo', ['-n', 'true']).status === 0)) {
    const command = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
    run([...command, 'update', '-q']);
    run([...command, 'install', '-qy', '--no-install-recommends', 'redis-server']);
  } else if (apt) {
    unpack();
  } else if (brew) {
    run([brew.path, 'install', 'redis']);
  }
  return onPath('redis-server') ?? unpacked();
}

/** Works without root: apt downloads the missing packages into this checkout, and dpkg-deb unpacks them there. */
function unpack(): void {
  const apt = join(localFolder, 'apt');
  for (const folder of ['state/lists/partial', 'cache/archives/partial'])
    mkdirSync(join(apt, folder), { recursive: true });
  const options = [
    ...[
      '-o',
      `Dir::State=${apt}/state`,
      '-o',
      'Dir::State::status=/var/lib/dpkg/status',
      '-o',
      `Dir::Cache=${apt}/cache`,
    ],
    ...['-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User='],
  ];
  run(['apt-get', ...options, 'update', '-q']);
  run(['apt-get', ...options, 'install', '-qy', '--download-only', '--no-install-recommends', 'redis-server']);
  for (const archive of globSync(join(apt, 'cache/archives/*.deb')))
    run(['dpkg-deb', '-x', archive, join(localFolder, 'root')]);
}

function unpacked(): RedisProgram | undefined {
  const root = join(localFolder, 'root');
  const path = join(root, 'usr/bin/redis-server');
  if (!existsSync(path)) return undefined;
  const libraries = globSync([join(root, 'usr/lib/*-linux-gnu*'), join(root, 'lib/*-linux-gnu*')]);
  return { path, env: { LD_LIBRARY_PATH: libraries.join(delimiter) } };
}

/** Prints each command before it runs, because it changes the user's machine. */
function run(command: readonly string[]): void {
  console.error(`$ ${command.join(' ')}`);
  const [program = '', ...args] = command;
  execFileSync(program, args, { stdio: ['ignore', process.stderr, process.stderr] });
}
