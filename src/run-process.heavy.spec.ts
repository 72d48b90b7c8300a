import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';

// What a process does with what nobody waits for: the built one, as it may end.

const program = `
  import { setTimeout } from 'node:timers/promises';
  import { runProcess } from './dist/src/run-process.js';
  const logger = { info: () => {}, error: (event) => process.stdout.write(event + ' ') };
  const stray = (message, fields) => void Promise.reject(Object.assign(new Error(message), fields));
  await runProcess('serving', async () => ({
    config: { common: { role: 'all', shutdownNoticeS: 0, shutdownGraceS: 1 } },
    app: { get: () => logger },
    leave: async () => {},
    begin: async () => {
      console.trace(new Error('a library lost 192.0.2.1'));
      stray('connect ECONNREFUSED 192.0.2.1:5432', { code: 'ECONNREFUSED' });
      await setTimeout(10);
      process.stdout.write('lives ');
      stray('the password is hunter2');
      await setTimeout(60_000);
    },
  }));`;

describe('a promise that nobody waits for', () => {
  it('ends no process when a store is away, and any other one without a word of what it says', async () => {
    const { promise, resolve } = Promise.withResolvers<{ code: unknown; stdout: string; stderr: string }>();
    execFile(process.execPath, ['--input-type=module', '-e', program], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
    const { code, stdout, stderr } = await promise;
    expect([code, stdout]).toEqual([1, 'store_lost lives ']);
    expect(stderr).toContain('A fault that nobody caught: Error');
    expect(stderr).not.toMatch(/192\.0\.2\.1|hunter2/);
  });
});
