import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** The command's access to the process, the terminal and the machine. Tests pass their own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Prints a result to standard output. */
  print(line: string): void;
  /** Prints a message or error for the user to standard error. */
  log(line: string): void;
  /** Shows a progress message on a terminal. @returns a function that removes it */
  progress(message: string): () => void;
  /** Asks the user on a terminal; otherwise reads the first line of standard input. */
  ask(question: string, options?: { readonly secret?: boolean }): Promise<string>;
  /** Runs a program of this machine in the foreground. @returns its exit code; 127 when it is not installed */
  run(program: string, args: readonly string[]): Promise<number>;
  /** Whether the network interface that wg-quick created under this name is up. */
  hasInterface(name: string): boolean;
  readonly fetch?: typeof globalThis.fetch;
}

export function processIo(): Io {
  return {
    env: process.env,
    print: (line) => void process.stdout.write(`${line}\n`),
    log: (line) => void process.stderr.write(`${line}\n`),
    progress: (message) => {
      if (!process.stderr.isTTY) return () => {};
      process.stderr.write(`${message} …`);
      return () => void process.stderr.write('\r\u001b[K');
    },
    ask: async (question, { secret = false } = {}) => {
      if (!process.stdin.isTTY) return (await text(process.stdin)).split(/\r?\n/)[0] ?? '';
      return askTerminal(question, secret);
    },
    run: (program, args) =>
      new Promise((resolve) => {
        // wg-quick logs to standard output, which is reserved for the results of this command.
        const child = spawn(program, args, { stdio: ['inherit', 2, 2] });
        child.once('error', () => resolve(127));
        child.once('exit', (code) => resolve(code ?? 1));
      }),
    // On Linux the interface has this name. Elsewhere wg-quick writes a file that maps the name to the real interface.
    hasInterface: (name) => existsSync(`/sys/class/net/${name}`) || existsSync(`/var/run/wireguard/${name}.name`),
  };
}

async function askTerminal(question: string, secret: boolean): Promise<string> {
  process.stderr.write(`${question}: `);
  const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: secret ? nothing : process.stderr, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      terminal.once('line', resolve);
      terminal.once('SIGINT', () => reject(new Error('Cancelled.')));
      terminal.once('close', () => resolve(''));
    });
  } finally {
    terminal.close();
    if (secret) process.stderr.write('\n');
  }
}
