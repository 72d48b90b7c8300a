import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** What the command touches of the world. Tests give their own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Results, for people or programs. */
  print(line: string): void;
  /** What goes on, and what went wrong: for people. */
  tell(line: string): void;
  /** Shows what is waited for, on a terminal. @returns ends it */
  progress(what: string): () => void;
  /** Asks a question; the rest of standard input when nobody sits there. */
  ask(question: string, options?: { readonly secret?: boolean }): Promise<string>;
  /** Runs a program of this machine in the foreground. @returns its exit code; 127 when there is none */
  run(program: string, args: readonly string[]): Promise<number>;
  /** Whether a network interface that wg-quick has given this name is up. */
  hasInterface(name: string): boolean;
  readonly fetch?: typeof globalThis.fetch;
}

export function processIo(): Io {
  return {
    env: process.env,
    print: (line) => void process.stdout.write(`${line}\n`),
    tell: (line) => void process.stderr.write(`${line}\n`),
    progress: (what) => {
      if (!process.stderr.isTTY) return () => {};
      process.stderr.write(`${what} …`);
      return () => void process.stderr.write('\r\u001b[K');
    },
    ask: async (question, { secret = false } = {}) => {
      if (!process.stdin.isTTY) return (await text(process.stdin)).split(/\r?\n/)[0] ?? '';
      return askTerminal(question, secret);
    },
    run: (program, args) =>
      new Promise((resolve) => {
        // wg-quick says on standard output what it does; results of this command go there.
        const child = spawn(program, args, { stdio: ['inherit', 2, 2] });
        child.once('error', () => resolve(127));
        child.once('exit', (code) => resolve(code ?? 1));
      }),
    // Linux keeps the name; elsewhere wg-quick notes which interface it stands for.
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
