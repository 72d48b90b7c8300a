import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { endWithThisProcess } from '../services/reaper.js';

// Tests run from the sources, whose build is in dist/.
const built = import.meta.url.endsWith('.ts') ? '../../dist/' : '../../';
const program = fileURLToPath(new URL(`${built}src/main.js`, import.meta.url));

/** The built service, running as it does in production: a process of its own, configured by its environment. */
export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  /** Everything it has logged so far, both streams. */
  log(): string;
  /** Resolves when it has ended, whoever ended it: to its exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Lets it drain. */
  stop(): Promise<number | null>;
  kill(): Promise<number | null>;
}

export interface ServiceProcessOptions {
  /** Prints what it logs as it comes. */
  readonly echo?: boolean;
  /** Told its process id as soon as it has one. */
  readonly onSpawn?: (pid: number) => void;
}

/**
 * Starts the service and waits until it answers.
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
    // Ctrl-C in a terminal signals its whole group: whoever started the service tells it when.
    detached: true,
  });
  if (child.pid !== undefined) onSpawn?.(child.pid);
  const lines: string[] = [];
  endWithThisProcess(child.pid);
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const port = await servingPort(child, lines, ended, echo);
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    log: () => lines.join('\n'),
    ended,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
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
  void ended.then(() => reject(new Error(`The service ended before it served:\n${lines.slice(-20).join('\n')}`)));
  return promise;
}
