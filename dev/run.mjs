import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { pathToFileURL } from 'node:url';
import { npmWatch } from './setup/npm.mjs';
import { bin, setUp, toolEnvironment } from './setup/set-up.mjs';

/**
 * `node dev/run.mjs <task>`: sets up what is missing, then runs the task on the Node that the project installs. All npm scripts
 * use it, so that a fresh clone needs no other step. The set-up is in dev/setup/.
 */

const program = (file) => ['node', file];
/** As deploy/ starts the service: a young generation of 4 MB instead of 16 costs no speed and saves memory (docs/performance.md). */
const service = (file) => ['node', '--max-semi-space-size=4', file];
const tools = {
  format: ['prettier', '--check', '.'],
  lint: ['eslint', '.', '--max-warnings', '0'],
  types: ['tsc', '-p', 'tsconfig.json', '--noEmit'],
  unused: ['knip', '--no-progress'],
  imports: program('dist/dev/check-imports.js'),
  tables: program('dist/dev/check-tables.js'),
  openapi: [...program('dist/dev/openapi.js'), '--check'],
  clientTypes: [...program('dist/dev/client-types.js'), '--check'],
  privacy: [...program('dist/dev/privacy-doc.js'), '--check'],
  bundle: program('dist/dev/client-bundle.js'),
};

const heavyTests = ['vitest', 'run', '--mode', 'heavy'];
const unlinkabilityTests = [...heavyTests, 'test/unlinkability/'];
const tunnelTests = program('dist/dev/lab/test-tunnel.js');

/** Each task is one command, which takes further arguments, or several, which run in turn until one fails. */
const tasks = {
  demo: [program('dist/dev/demo.js')],
  start: [program('dist/dev/start.js')],
  'start:prod': [service('dist/src/main.js')],
  worker: [service('dist/src/worker.js')],
  admin: [program('dist/admin/main.js')],
  vpn: [program('packages/client/dist/cli/main.js')],
  'db:migrate': [program('dist/src/prisma/migrate/main.js')],
  'db:diff': [program('dist/dev/db-diff.js')],
  openapi: [program('dist/dev/openapi.js'), program('dist/dev/client-types.js')],
  'docs:privacy': [program('dist/dev/privacy-doc.js')],
  bench: [program('dist/bench/main.js')],
  'bench:client': [program('dist/bench/client.js')],
  build: [tools.bundle],
  test: [['vitest', 'run']],
  'test:full': [heavyTests, tunnelTests],
  'test:heavy': [heavyTests],
  'test:tunnel': [tunnelTests],
  'test:unlinkability': [unlinkabilityTests],
  'docs:unlinkability': [[...unlinkabilityTests, '--no-file-parallelism']],
  check: Object.values(tools),
  'check:imports': [tools.imports],
  'check:tables': [tools.tables],
  'check:unused': [tools.unused],
  'check:openapi': [tools.openapi, tools.clientTypes],
};

/** How to run a part of a task, for its error message. */
const parts = {
  'test:full': ' For a part: npm run test:heavy -- PATH, or npm run test:tunnel -- PATH.',
  check: ' For a part: npm run check:imports, check:tables, check:openapi or check:unused.',
};

/** Variables of a task that the environment cannot override. In production, the service trusts no fake provider. */
const fixed = {
  'start:prod': { NODE_ENV: 'production' },
  'docs:unlinkability': { WRITE_THREAT_MODEL: 'yes' },
};

/** Tasks that start servers and other processes, which must end with the task. */
const launchers = [
  'demo',
  'start',
  'bench',
  'test',
  'test:full',
  'test:heavy',
  'test:tunnel',
  'test:unlinkability',
  'docs:unlinkability',
];

/** Tasks that an operator runs in production from a finished build, without npm: nothing is set up. */
const productionTasks = ['start:prod', 'worker', 'admin', 'db:migrate'];

async function main([name, ...args]) {
  const commands = tasks[name];
  if (!commands) throw new Error(`Usage: node dev/run.mjs <task>\nTasks: ${Object.keys(tasks).join(', ')}`);
  if (commands.length > 1 && args.length > 0) throw new Error(`npm run ${name} takes no argument.${parts[name] ?? ''}`);
  if (!(process.env.NODE_ENV === 'production' && productionTasks.includes(name))) await setUp();
  for (const command of commands) {
    if (commands.length > 1) console.error(`$ ${command.join(' ')}`);
    const code = await run([...command, ...args], fixed[name], launchers.includes(name));
    if (code !== 0) return code;
  }
  return 0;
}

/** Ends the task when this process is killed, or when npm is killed and cannot forward the signal. */
async function endWithNpm(child) {
  const { endWithThisProcess } = await import(pathToFileURL(resolve('dist/dev/services/reaper.js')).href);
  endWithThisProcess(child.pid, 'SIGTERM');
  const npmLives = npmWatch();
  const watch = setInterval(() => {
    if (npmLives()) return;
    // Only once, because a second signal skips the clean shutdown.
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 500);
  watch.unref();
}

function run([tool, ...args], environment, isLauncher) {
  const installed = join(bin, tool);
  // A production image may contain only the Node of its base image.
  const command = tool === 'node' && !existsSync(installed) ? process.execPath : installed;
  const child = spawn(command, args, { stdio: 'inherit', env: { ...toolEnvironment, ...environment } });
  const stop = (signal) => child.kill(signal);
  // A terminal sends Ctrl-C to the child too; forwarding it would send it twice.
  const interrupt = () => process.stdin.isTTY || child.kill('SIGINT');
  const handlers = { SIGTERM: stop, SIGHUP: () => stop('SIGTERM'), SIGINT: interrupt };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  return new Promise((done, reject) => {
    child.once('error', reject);
    if (isLauncher) endWithNpm(child).catch((error) => child.kill('SIGTERM') && reject(error));
    child.once('exit', (code, signal) => {
      for (const [name, handler] of Object.entries(handlers)) process.off(name, handler);
      done(code ?? 128 + constants.signals[signal]);
    });
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
