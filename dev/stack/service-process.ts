import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { endWithThisProcess } from '../services/reaper.js';

// Tests run from the sources; their build is in dist/.
const built = import.meta.url.endsWith('.ts') ? '../../dist/' : '../../';
const program = fileURLToPath(new URL(`${built}src/main.js`, import.meta.url));

/** The built service, running as in production: in its own process, configured by its environment. */
export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  /** All that it has logged so far, on both streams. */
  log(): string;
  /** Resolves when it has ended: to its exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Sends SIGTERM, so that it drains. */
  stop(): Promise<number | null>;
  kill(): Promise<number | null>;
}

export interface ServiceProcessOptions {
  /** Prints its log. */
  readonly echo?: boolean;
  /** Called with its process id. */
  readonly onSpawn?: (pid: number) => void;
}

/**
 * Starts the service and waits until it is serving.
 *
 * @throws {Error} with the last lines of its log, when it ends before that.
 */
export async function startService(
  env: Readonly<Record<string, string>>,
  { echo = false, onSpawn }: ServiceProcessOptions = {},
): Promise<ServiceProcess> {
  const child = spawn(process.execPath, ['--max-semi-space-size=4', program], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C in a terminal signals the whole process group, but this process decides when the service stops.
    detached: true,
  });
  if (child.pid !== undefined) onSpawn?.(child.pid);
  const lines: string[] = [];
  endWithThisProcess(child.pid);
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const port = await servingPort(child, lines, ended, echo);
  const endWith = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    log: () => lines.join('\n'),
    ended,
    stop: () => endWith('SIGTERM'),
    kill: () => endWith('SIGKILL'),
  };
}

async function servingPort(
  child: ChildProcess,
  lines: string[],
  ended: Promise<unknown>,
  echo: boolean,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      if (echo) console.log(line);
      const serving = /"port":(\d+).*"msg":"serving"/.exec(line);
      if (serving) resolve(Number(serving[1]));
    });
  }
  void ended.then(() => reject(new Error(`The service ended before it was serving:\n${lines.slice(-20).join('\n')}`)));
  return promise;
}
