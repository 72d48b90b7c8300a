import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';

// `npm run demo` as a newcomer runs it: several at once, and again afterwards.

/** Runs the demo. @returns its exit code, and the summary on its last line */
async function demo(): Promise<{ code: unknown; summary: unknown }> {
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; summary: unknown }>();
  execFile(process.execPath, ['dev/run.mjs', 'demo'], { maxBuffer: 10_000_000 }, (error, stdout) => {
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    resolve({ code: error?.code ?? 0, summary: last.startsWith('{') ? JSON.parse(last) : last });
  });
  return promise;
}

describe('npm run demo', { timeout: 900_000 }, () => {
  it('passes every step, at the same time as another demo and again afterwards', async () => {
    const passed = { code: 0, summary: expect.objectContaining({ demo: 'ok' }) as unknown };
    expect(await Promise.all([demo(), demo()])).toEqual([passed, passed]);
    expect(await demo()).toEqual(passed);
  });
});
