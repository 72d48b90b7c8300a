import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';

// `npm run demo` as a newcomer runs it: twice in a row, and beside a stack that runs already.

/** How it ended, and the summary on its last line. */
async function demo(): Promise<{ code: unknown; summary: unknown }> {
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; summary: unknown }>();
  execFile(process.execPath, ['dev/run.mjs', 'demo'], { maxBuffer: 10_000_000 }, (error, stdout) => {
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    resolve({ code: error?.code ?? 0, summary: last.startsWith('{') ? JSON.parse(last) : last });
  });
  return promise;
}

describe('npm run demo', { timeout: 900_000 }, () => {
  it('holds every step, beside another one and again after it', async () => {
    const held = { code: 0, summary: expect.objectContaining({ demo: 'ok' }) as unknown };
    expect(await Promise.all([demo(), demo()])).toEqual([held, held]);
    expect(await demo()).toEqual(held);
  });
});
