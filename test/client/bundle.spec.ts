import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleForBrowser } from '../../dev/browser/index.js';
import { browserEntry, maxGzipBytes } from '../../dev/client-bundle.js';

let folder: string;

beforeAll(() => {
  // Within the project, where the client's own packages are found.
  folder = mkdtempSync('node_modules/.bundle-test-');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a bundler makes of an app with this code. */
async function bundle(code: string) {
  const path = join(folder, `${crypto.randomUUID()}.mjs`);
  writeFileSync(path, code);
  return bundleForBrowser(path);
}

describe('the client in a browser', () => {
  it('is light, and needs nothing of Node', async () => {
    const { code, gzipBytes, imports } = await bundleForBrowser(browserEntry);
    expect(gzipBytes).toBeLessThanOrEqual(maxGzipBytes);
    expect(imports).toEqual([]);
    expect(code).not.toMatch(/\brequire\(|\bprocess\.|\bBuffer\b/);
  });

  it('is told apart from what does need Node', async () => {
    const { imports } = await bundle("export { fileStorage } from '@vpn-backend/client/node';");
    expect(imports).toContain('node:fs/promises');
  });

  it('costs an app what it uses', async () => {
    const whole = await bundle("export * from '@vpn-backend/client';");
    const noCode = await bundle("export { createClient, toWgQuick } from '@vpn-backend/client';");
    const keys = await bundle("export { generateWireguardKeyPair } from '@vpn-backend/client';");
    expect(noCode.gzipBytes).toBeLessThan(whole.gzipBytes - 2_000);
    expect(keys.gzipBytes).toBeLessThan(1_500);
  });
});
