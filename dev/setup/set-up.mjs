import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { announceSelf, exclusively, othersRunning } from './lock.mjs';

/** Plain JavaScript for Node 20, because it runs before anything is installed. It installs the current Node with the packages. */

export const bin = resolve('node_modules/.bin');

/** The environment of tasks, with the installed Node and tools first on the PATH. */
export const toolEnvironment = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}` };

// Beside the packages, so that it is deleted with them.
const stampFile = 'node_modules/.set-up.json';

/** Installs, generates and builds what has changed since the last set-up, one process at a time. */
export async function setUp() {
  await exclusively(() => {
    if (!packagesAreInstalled()) install();
    step(
      'clients',
      hashOf(['prisma/identity/schema.prisma', 'prisma/network/schema.prisma']),
      generated,
      generateClients,
    );
    step('build', hashOf(buildInputs), ['dist/src', ...packages.map((name) => `${name}/dist`)], build);
    announceSelf();
  });
}

const generated = ['src/prisma/generated/identity/client.ts', 'src/prisma/generated/network/client.ts'];

/** Built before the service, because its tools import these builds. */
const packages = ['packages/client', 'packages/fake-providers', 'packages/node-agent'];

const buildInputs = [
  ...['package-lock.json', 'tsconfig.base.json', 'tsconfig.build.json'],
  ...['src', 'admin', 'dev', 'bench'],
  ...packages.flatMap((name) => [`${name}/package.json`, `${name}/tsconfig.build.json`, `${name}/src`]),
];

/** Does the work, unless its stamp has the same hash and its results exist. */
function step(name, hash, results, work) {
  if (readStamps()[name] === hash && results.every((path) => existsSync(path))) return;
  work();
  writeFileSync(stampFile, JSON.stringify({ ...readStamps(), [name]: hash }));
}

function readStamps() {
  return existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};
}

/** Whether node_modules matches the lock file, according to the record that npm writes at the end of an installation. */
function packagesAreInstalled() {
  const record = 'node_modules/.package-lock.json';
  if (!existsSync(record) || !existsSync(join(bin, 'node'))) return false;
  const read = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
  const found = read(record);
  return Object.entries(read('package-lock.json')).every(
    ([path, { version, integrity, optional }]) =>
      !path.startsWith('node_modules/') ||
      (path in found ? found[path].version === version && found[path].integrity === integrity : optional),
  );
}

function install() {
  const others = othersRunning();
  if (others.length > 0) {
    const list = others.map(({ pid, task }) => `npm run ${task} (process ${pid})`).join(', ');
    throw new Error(`The packages must be reinstalled, but ${list} is using them. Stop it, then try again.`);
  }
  // npm deletes node_modules, so it must not run on the Node in there.
  const { npm_execpath: npm, npm_node_execpath: node } = process.env;
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => resolve(folder) !== bin);
  const env = { ...process.env, PATH: path.join(delimiter) };
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  if (npm && node && !resolve(node).startsWith(resolve('node_modules')))
    run('Installing packages', node, [npm, ...args], env);
  else run('Installing packages', 'npm', args, env);
}

function generateClients() {
  for (const side of ['identity', 'network']) {
    run(
      `Generating the ${side} client`,
      join(bin, 'prisma'),
      ['generate', '--schema', `prisma/${side}/schema.prisma`],
      {
        ...toolEnvironment,
        // Generating needs no schema engine. Without this setting, Prisma would download one.
        PRISMA_SCHEMA_ENGINE_BINARY: ['/bin/true', '/usr/bin/true'].find((path) => existsSync(path)),
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
        CHECKPOINT_DISABLE: '1',
      },
    );
  }
}

function build() {
  for (const folder of [...packages, '.']) {
    const title = `Building ${folder === '.' ? 'the service' : folder}`;
    run(title, join(bin, 'tsc'), ['-p', join(folder, 'tsconfig.build.json')], toolEnvironment);
  }
}

/** Runs a command. Prints its output only when it fails. */
function run(title, command, args, env) {
  process.stderr.write(`${title} … `);
  const begin = Date.now();
  const { status, error, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8', maxBuffer: 1e8 });
  if (status === 0) {
    process.stderr.write(`${((Date.now() - begin) / 1000).toFixed(1)} s\n`);
    return;
  }
  process.stderr.write(`failed\n${stdout ?? ''}${stderr ?? ''}`);
  throw new Error(`${title} failed: ${command} ${args.join(' ')} ${error?.message ?? `ended with ${status}`}`);
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths.flatMap(filesOf)) hash.update(`${path}\0`).update(readFileSync(path)).update('\0');
  return hash.digest('hex');
}

function filesOf(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesOf(join(path, name)));
}
