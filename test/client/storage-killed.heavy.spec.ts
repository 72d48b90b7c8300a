import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileStorage } from '@vpn-backend/client/node';

/* Processes that save endlessly are killed at random times. Every save that they reported must be there. */

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpn-storage-killed-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const module = pathToFileURL(resolve('packages/client/dist/node.js')).href;
const saver = `
  const { fileStorage } = await import(${JSON.stringify(module)});
  const storage = fileStorage(process.argv[1]);
  for (;;) {
    const stored = await storage.load();
    const number = Number(stored?.text.split(' ')[0] ?? 0) + 1;
    // Long enough to be written in parts.
    const text = number + ' ' + 'x'.repeat(200_000) + ' end';
    if (await storage.save(text, stored?.revision)) process.stdout.write(number + '\\n');
  }`;

/** Rejects once a saver exits, which it should not do by itself. */
async function ended(child: ChildProcess): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`a saver exited with status ${code}`);
}

describe('fileStorage, whose processes are killed', () => {
  it('loads a complete text that is at least as new as every reported save', async () => {
    for (let round = 0; round < 12; round++) {
      const reported = [0];
      const savers = [0, 1].map(() => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', saver, folder], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        child.stdout.on('data', (chunk: Buffer) => reported.push(...chunk.toString().trim().split('\n').map(Number)));
        return child;
      });
      // Killed after some saves, in the middle of another one.
      await Promise.all(savers.map(async (child) => Promise.race([once(child.stdout, 'data'), ended(child)])));
      for (const child of savers) child.kill('SIGKILL');
      await Promise.all(savers.map(async (child) => once(child, 'close')));
      const { text } = (await fileStorage(folder).load()) ?? { text: '' };
      expect(text).toMatch(/^\d+ x{200000} end$/);
      expect(Number(text.split(' ')[0])).toBeGreaterThanOrEqual(Math.max(...reported));
    }
  });
});
