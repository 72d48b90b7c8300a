import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface CommandOptions {
  /** The program's standard input. May hold secrets. */
  readonly input?: string;
  /** What the program prints may name peers: its words are dropped, also from the error. */
  readonly confidential?: boolean;
  /** Milliseconds until it is killed; two minutes when absent. */
  readonly timeoutMs?: number;
}

/**
 * Runs a program by its argument list, without a shell, and resolves to what it printed.
 *
 * @throws {CommandError} when it cannot be started, is killed, or ends with anything but 0
 */
export type Run = (program: string, args: readonly string[], options?: CommandOptions) => Promise<string>;

class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    readonly program: string,
    /** The first line of what it said went wrong; empty when that is confidential. */
    readonly complaint: string,
    /** Absent when it did not end by itself. */
    readonly exitCode?: number,
  ) {
    super(`${program} failed${complaint === '' ? '' : `: ${complaint}`}`);
  }
}

/** Network tools live where an ordinary user's PATH does not look. */
const path = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Locale and PATH: nothing else of this process's environment is any program's business. */
export const commandEnvironment = { PATH: path, LC_ALL: 'C' };

/** @param folder where a program's input lies while it is handed over; best on a tmpfs */
export function commandsIn(folder: string = tmpdir()): Run {
  return async (program, args, options = {}) => {
    const input = options.input === undefined ? undefined : await namelessFile(folder, options.input);
    try {
      return await execute(program, args, input?.fd, options);
    } finally {
      await input?.close();
    }
  };
}

/**
 * A file that only its descriptor reaches, so that nothing of it survives a crash. Node would otherwise hand over a socket,
 * and wg and nft open /dev/stdin by name, which a socket does not allow.
 */
async function namelessFile(folder: string, content: string): Promise<FileHandle> {
  const name = join(folder, `.input-${randomBytes(8).toString('hex')}`);
  const file = await open(name, 'wx+', 0o600);
  await unlink(name);
  // At a position of its own: the descriptor that the program inherits still stands at the beginning.
  await file.write(content, 0);
  return file;
}

async function execute(
  program: string,
  args: readonly string[],
  stdin: number | undefined,
  { confidential = false, timeoutMs = 120_000 }: CommandOptions,
): Promise<string> {
  const child = spawn(program, args, {
    env: commandEnvironment,
    stdio: [stdin ?? 'ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const output: Buffer[] = [];
  const complaint: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => complaint.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', () => reject(new CommandError(program, 'it could not be started')));
    child.once('close', resolve);
  });
  if (code === 0) return Buffer.concat(output).toString();
  const said = confidential ? '' : (Buffer.concat(complaint).toString().trim().split('\n')[0] ?? '');
  throw new CommandError(program, said, code ?? undefined);
}
