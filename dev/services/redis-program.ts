import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { findProgram } from './programs.js';

/** `SET … NX GET` and `EXAT` came together in Redis 7.0. */
export const oldestMajor = 7;

export interface RedisProgram {
  readonly path: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Where this checkout keeps a Redis that could not be installed for the whole machine. */
const localFolder = resolve('.setup/redis');

const advice = `Install Redis ${oldestMajor}.0 or later (https://redis.io/docs/latest/operate/oss_and_stack/install/), or set REDIS_URL to one that runs with maxmemory-policy noeviction.`;

/**
 * `redis-server` from the PATH, or from this checkout, or installed: by apt as root or through `sudo -n`, by unpacking
 * Debian's package when there is neither, by Homebrew on macOS.
 *
 * @throws {Error} saying what to do when none is to be had, or only one that is too old.
 */
export async function findOrInstallRedis(): Promise<RedisProgram> {
  const found = onPath('redis-server') ?? unpacked();
  const program = found ?? (await installed());
  if (!program) throw new Error(`There is no redis-server on the PATH and it could not be installed. ${advice}`);
  const version = versionOf(program);
  if (!(Number.parseInt(version) >= oldestMajor)) {
    throw new Error(`${program.path} is Redis ${version}, too old for this service. ${advice}`);
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

/** Without root: apt downloads the packages that the machine lacks into our own folder, and dpkg-deb unpacks them there. */
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

/** Prints the command before it changes anything, so that whoever watches knows what was done to their machine. */
function run(command: readonly string[]): void {
  console.error(`$ ${command.join(' ')}`);
  const [program = '', ...args] = command;
  execFileSync(program, args, { stdio: ['ignore', process.stderr, process.stderr] });
}
