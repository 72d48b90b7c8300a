import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Stack, startStack } from '../dev/stack/stack.js';
import { type FleetSize, measureGrowth } from './growth.js';
import { measureIssuing } from './issuing.js';
import { describeMachine, loadAverage, opensslSpeed } from './machine.js';
import { metersOf } from './meters.js';
import { measurePayments, type PaymentsOptions } from './payments.js';
import { measureUsers, type UsersOptions } from './users.js';
import { measureRedeeming } from './redeeming.js';
import { render, writeInto } from './report.js';
import { type Results } from './results.js';
import { type Timing } from './rounds.js';
import { idleMemory, medianStart, measureSigning } from './service-figures.js';

/** `npm run bench`. docs/performance.md explains the comparisons and why they are fair. */

const usage = `npm run bench -- [options]

  --quick              run a smoke test of about a minute; its figures are not meaningful
  --only <part>        measure only issuing, redeeming, growth, payments or users
  --out <file>         write all results as JSON
  --markdown <file>    write the tables between the markers of this page (docs/performance.md)
  --profile <folder>   write CPU profiles of the service (open them with a browser's developer tools)
`;

const parts = ['issuing', 'redeeming', 'growth', 'payments', 'users'] as const;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    out: { type: 'string' },
    markdown: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** Limits stay on, so that their cost is measured, but are high, because one client makes all the load. */
const maxPerMinute = '10000000';
const env = {
  RATE_LIMIT_USER_PER_MINUTE: maxPerMinute,
  RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE: maxPerMinute,
  RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: maxPerMinute,
  RATE_LIMIT_NODE_PER_MINUTE: maxPerMinute,
  ...(options.profile !== undefined && { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${resolve(options.profile)}` }),
};

interface Scale {
  readonly timing: Timing;
  readonly issuingUsers: number;
  readonly sizes: readonly FleetSize[];
  readonly starts: number;
  /** Duration of measurements in a loop. */
  readonly seconds: number;
  readonly settleMs: number;
  readonly payments: Pick<PaymentsOptions, 'customers' | 'burst' | 'measureMs'>;
  readonly users: Pick<UsersOptions, 'users' | 'histories'>;
}

const full: Scale = {
  timing: { rounds: 5, warmUpMs: 1_500, measureMs: 8_000 },
  issuingUsers: 100,
  sizes: [
    { connections: 1_000, nodes: 20 },
    { connections: 100_000, nodes: 1_000 },
    { connections: 1_000_000, nodes: 10_000 },
  ],
  starts: 5,
  seconds: 3,
  settleMs: 5_000,
  payments: { customers: 400, burst: 10_000, measureMs: 15_000 },
  users: { users: 10_000, histories: 20 },
};

const quick: Scale = {
  timing: { rounds: 2, warmUpMs: 500, measureMs: 2_000 },
  issuingUsers: 100,
  sizes: [
    { connections: 1_000, nodes: 20 },
    { connections: 10_000, nodes: 100 },
  ],
  starts: 1,
  seconds: 1,
  settleMs: 1_000,
  payments: { customers: 200, burst: 1_000, measureMs: 2_000 },
  users: { users: 1_000, histories: 3 },
};

/** Concurrent requests: enough that a server always has one to work on. */
const issuingConnections = 32;
/** More, because a redemption waits for its node. */
const redeemingConnections = 64;
const liveNodes = 20;
/** Stripe states no limit; this many keep the service busy. */
const payingConnections = 32;

async function main(): Promise<void> {
  const scale = options.quick ? quick : full;
  const { timing, sizes, starts } = scale;
  const wanted = (part: (typeof parts)[number]) => options.only === undefined || options.only === part;
  const begin = performance.now();
  const loadAverageBefore = loadAverage();
  const openssl = await opensslSpeed(scale.seconds);
  const blindSignsPerSecond = measureSigning(scale.seconds);
  const results = await withFolder(async (dataDir) => {
    const compared = await withStack(dataDir, async (stack) => {
      const machine = await describeMachine(stack.services.ownerUrl, stack.services.redisUrl);
      const meters = metersOf(machine);
      const idleMb = await idleMemory(stack.service.pid, scale.settleMs);
      const startMs = await medianStart(stack.env, starts);
      const issuing =
        wanted('issuing') &&
        (await measureIssuing(stack, meters, {
          timing,
          users: scale.issuingUsers,
          connections: issuingConnections,
          log,
        }));
      const redeeming =
        wanted('redeeming') &&
        (await measureRedeeming(stack, meters, { timing, nodes: liveNodes, connections: redeemingConnections, log }));
      return { machine: machine.description, service: { startMs, idleMb }, issuing, redeeming };
    });
    const growth =
      wanted('growth') &&
      (await measureGrowth({
        timing,
        sizes,
        liveNodes,
        connections: redeemingConnections,
        starts,
        env,
        dataDir,
        log,
      }));
    const payments =
      wanted('payments') &&
      (await measurePayments({ ...scale.payments, connections: payingConnections, env, dataDir, log }));
    const users = wanted('users') && (await measureUsers({ ...scale.users, env, dataDir, log }));
    return { ...compared, growth, payments, users };
  });
  publish({
    at: new Date().toISOString(),
    quick: options.quick,
    machine: results.machine,
    loadAverageBefore,
    minutes: (performance.now() - begin) / 60_000,
    service: results.service,
    signing: { openssl, blindSignsPerSecond },
    issuing: results.issuing || undefined,
    redeeming: results.redeeming || undefined,
    growth: results.growth || undefined,
    payments: results.payments || undefined,
    users: results.users || undefined,
  });
}

function publish(results: Results): void {
  console.log(`\n${render(results)}`);
  if (options.out !== undefined) writeFileSync(options.out, `${JSON.stringify(results, null, 2)}\n`);
  if (options.markdown !== undefined) writeInto(options.markdown, results);
}

/** With a data folder, PostgreSQL and Redis are durable as in production; ephemeral ones are not. */
async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync('/var/tmp/vpn-backend-bench-');
  // PostgreSQL's user must be able to enter it.
  chmodSync(folder, 0o755);
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await use(folder);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

async function withStack<T>(folder: string, use: (stack: Stack) => Promise<T>): Promise<T> {
  const stack = await startStack({ dataDir: join(folder, 'compared'), env });
  try {
    return await use(stack);
  } finally {
    await stack.stop();
  }
}

function log(line: string): void {
  console.error(line);
}

const known: readonly (string | undefined)[] = [undefined, ...parts];
if (options.help || !known.includes(options.only)) {
  console.log(usage);
} else {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  await main();
}
