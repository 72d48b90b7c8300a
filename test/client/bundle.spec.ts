import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleForBrowser } from '../../dev/browser/index.js';
import { browserEntry, maxGzipBytes } from '../../dev/client-bundle.js';

let folder: string;

beforeAll(() => {
  // Inside the project, so that the bundler finds the client's dependencies.
  folder = mkdtempSync('node_modules/.bundle-test-');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Bundles an app with this code. */
async function bundle(code: string) {
  const path = join(folder, `${crypto.randomUUID()}.mjs`);
  writeFileSync(path, code);
  return bundleForBrowser(path);
}

describe('the browser bundle of the client', () => {
  it('is small, and uses nothing of Node', async () => {
    const { code, gzipBytes, imports } = await bundleForBrowser(browserEntry);
    expect(gzipBytes).toBeLessThanOrEqual(maxGzipBytes);
    expect(imports).toEqual([]);
    expect(code).not.toMatch(/\brequire\(|\bprocess\.|\bBuffer\b/);
  });

  it('imports node: modules only with the entry for Node', async () => {
    const { imports } = await bundle("export { fileStorage } from '@vpn-backend/client/node';");
    expect(imports).toContain('node:fs/promises');
  });

  it('contains only what an app uses', async () => {
    const whole = await bundle("export * from '@vpn-backend/client';");
    const withoutQrCode = await bundle("export { createClient, toWgQuick } from '@vpn-backend/client';");
    const keys = await bundle("export { generateWireguardKeyPair } from '@vpn-backend/client';");
    expect(withoutQrCode.gzipBytes).toBeLessThan(whole.gzipBytes - 2_000);
    expect(keys.gzipBytes).toBeLessThan(1_500);
  });
});
