import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';

// Runs the built process, because an unhandled rejection may end it.

const program = `
  import { setTimeout } from 'node:timers/promises';
  import { runProcess } from './dist/src/run-process.js';
  const logger = { info: () => {}, error: (event) => process.stdout.write(event + ' ') };
  const reject = (message, fields) => void Promise.reject(Object.assign(new Error(message), fields));
  await runProcess('serving', async () => ({
    config: { common: { role: 'all', shutdownNoticeS: 0, shutdownGraceS: 1 } },
    app: { get: () => logger },
    shutDown: async () => {},
    start: async () => {
      console.trace(new Error('a library lost 192.0.2.1'));
      reject('connect ECONNREFUSED 192.0.2.1:5432', { code: 'ECONNREFUSED' });
      await setTimeout(10);
      process.stdout.write('lives ');
      reject('the password is hunter2');
      await setTimeout(60_000);
    },
  }));`;

describe('an unhandled rejection', () => {
  it('does not end the process when a store does not answer, and otherwise ends it without printing its message', async () => {
    const { promise, resolve } = Promise.withResolvers<{ code: unknown; stdout: string; stderr: string }>();
    execFile(process.execPath, ['--input-type=module', '-e', program], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
    const { code, stdout, stderr } = await promise;
    expect([code, stdout]).toEqual([1, 'store_lost lives ']);
    expect(stderr).toContain('Unhandled rejection: Error');
    expect(stderr).not.toMatch(/192\.0\.2\.1|hunter2/);
  });
});
