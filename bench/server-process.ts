import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { processStat } from '../dev/services/process-stat.js';

/** A measured server in its own process. */
export interface MeasuredServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts a program of this folder. It receives its configuration and answers with its port (`serveProgram`).
 *
 * @param nodeFlags flags of Node, such as `--cpu-prof`
 */
export async function startProgram(
  name: string,
  configuration: object,
  nodeFlags: string[] = [],
): Promise<MeasuredServer> {
  const child = fork(new URL(`./${name}.js`, import.meta.url), {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: nodeFlags,
  });
  const ended = once(child, 'exit');
  child.send(configuration);
  const [answer] = (await Promise.race([once(child, 'message'), failure(child, name)])) as [{ port: number }];
  return {
    url: `http://127.0.0.1:${answer.port}`,
    pid: child.pid ?? 0,
    stop: async () => {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

async function failure(child: ChildProcess, name: string): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`bench/${name} ended with ${code} before it was ready`);
}

/** The other end of `startProgram`, in the program. Stops it when the bench ends for any reason. */
export async function serveProgram<Configuration>(
  start: (configuration: Configuration) => Promise<{ port: number; stop: () => Promise<unknown> }>,
): Promise<void> {
  const [configuration] = (await once(process, 'message')) as [Configuration];
  const { port, stop } = await start(configuration);
  process.once('disconnect', () => {
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
  process.send?.({ port });
}

/** In /proc, Linux shows CPU time in hundredths of a second, independently of the kernel's tick. */
const ticksPerSecond = 100;

/** User and system time of a process so far. */
export function cpuSeconds(pid: number): number {
  return sumOf(processStat(pid), [11, 12]);
}

/** CPU time of a process and its children, also of ended ones: PostgreSQL has one process per connection. */
export function familyCpuSeconds(pid: number): number {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((other) => parentOf(other) === pid);
  return children.reduce((sum, child) => sum + cpuOrNothing(child), sumOf(processStat(pid), [11, 12, 13, 14]));
}

/** Current resident memory, in MB (10^6 bytes). */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / 1e6;
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(processStat(pid)[1]);
  } catch {
    return undefined;
  }
}

/** A process may end while the list of processes is read. */
function cpuOrNothing(pid: number): number {
  try {
    return cpuSeconds(pid);
  } catch {
    return 0;
  }
}

function sumOf(fields: readonly string[], ticks: readonly number[]): number {
  return ticks.reduce((sum, field) => sum + Number(fields[field]), 0) / ticksPerSecond;
}
