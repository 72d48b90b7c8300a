import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface CommandOptions {
  /** The program's standard input. May contain secrets. */
  readonly input?: string;
  /** The program's output may name peers. It is then left out of the error. */
  readonly confidential?: boolean;
  /** Milliseconds until the program is killed; two minutes when absent. */
  readonly timeoutMs?: number;
}

/**
 * Runs a program with a list of arguments, without a shell. Resolves to its standard output.
 *
 * @throws {CommandError} when it cannot be started, is killed, or exits with another code than 0
 */
export type Run = (program: string, args: readonly string[], options?: CommandOptions) => Promise<string>;

class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    readonly program: string,
    /** The first line of its standard error; empty when that is confidential. */
    readonly firstErrorLine: string,
    /** Absent when the program was killed or could not be started. */
    readonly exitCode?: number,
  ) {
    super(`${program} failed${firstErrorLine === '' ? '' : `: ${firstErrorLine}`}`);
  }
}

/** Network tools are in folders that an ordinary user's PATH does not contain. */
const path = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Only locale and PATH: programs get nothing else of this process's environment. */
export const commandEnvironment = { PATH: path, LC_ALL: 'C' };

/** @param folder for the temporary files that pass input to programs; preferably on a tmpfs */
export function commandRunner(folder: string = tmpdir()): Run {
  return async (program, args, options = {}) => {
    const input = options.input === undefined ? undefined : await unlinkedFile(folder, options.input);
    try {
      return await execute(program, args, input?.fd, options);
    } finally {
      await input?.close();
    }
  };
}

/**
 * Creates a file, deletes its name and returns its descriptor, so that nothing of it survives a crash. A pipe of Node's is
 * no alternative: it is a socket, and wg and nft open /dev/stdin by name, which fails for a socket.
 */
async function unlinkedFile(folder: string, content: string): Promise<FileHandle> {
  const name = join(folder, `.input-${randomBytes(8).toString('hex')}`);
  const file = await open(name, 'wx+', 0o600);
  await unlink(name);
  // At an explicit position: the descriptor that the program inherits stays at the beginning of the file.
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
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', () => reject(new CommandError(program, 'it could not be started')));
    child.once('close', resolve);
  });
  if (code === 0) return Buffer.concat(stdout).toString();
  const firstErrorLine = confidential ? '' : (Buffer.concat(stderr).toString().trim().split('\n')[0] ?? '');
  throw new CommandError(program, firstErrorLine, code ?? undefined);
}
