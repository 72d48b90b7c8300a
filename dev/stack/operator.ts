import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
// Tests run from the sources; their build is in dist/.
const built = import.meta.url.endsWith('.ts') ? '../../dist/' : '../../';
const program = fileURLToPath(new URL(`${built}admin/main.js`, import.meta.url));

/** Runs the operator's command, `npm run admin -- … --json`, with a stack's environment. */
export function operatorOf(env: Readonly<Record<string, string>>) {
  return async <T>(...args: string[]): Promise<T> => {
    const { stdout } = await run(process.execPath, [program, ...args, '--json'], {
      env: { PATH: process.env.PATH ?? '', ...env },
    });
    return JSON.parse(stdout) as T;
  };
}
