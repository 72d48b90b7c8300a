import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const program = fileURLToPath(new URL('../../admin/main.js', import.meta.url));

/** The operator's command, `npm run admin -- … --json`, on a stack's own environment. */
export function operatorOf(env: Readonly<Record<string, string>>) {
  return async <T>(...args: string[]): Promise<T> => {
    const { stdout } = await run(process.execPath, [program, ...args, '--json'], {
      env: { PATH: process.env.PATH ?? '', ...env },
    });
    return JSON.parse(stdout) as T;
  };
}
