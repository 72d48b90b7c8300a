import { readFileSync } from 'node:fs';
import * as sdk from '@vpn-backend/client';
import 'fake-indexeddb/auto';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientWorld, idTokenOf, startClientWorld } from '../support/client-world.js';

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

/** The first TypeScript block of a page that imports the client. */
function quickStartOf(page: string): string {
  const blocks = [...readFileSync(page, 'utf8').matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = '']) => code);
  const quickStart = blocks.find((code) => code.includes("from '@vpn-backend/client'"));
  if (quickStart === undefined) throw new Error(`${page} has no quick start`);
  return quickStart;
}

interface QuickStart {
  run(imports: typeof sdk, firebaseUser: { getIdToken(): Promise<string> }): Promise<sdk.Connection>;
}

/** Loads the code as a module, unchanged but for the two URLs. */
async function load(code: string): Promise<QuickStart> {
  const localCode = code
    .replace('https://id.example.com', world.gatekeeper.service.url)
    .replace('https://vpn.example.com', world.anonymizer.url);
  const [line = '', names = ''] = /^import (\{.*?\}) from '@vpn-backend\/client';/s.exec(localCode) ?? [];
  const body = localCode.replace(line, `const ${names} = sdk;`);
  const module = ts.transpile(`export async function run(sdk, firebaseUser) { ${body}\nreturn connection; }`, {
    module: ts.ModuleKind.ESNext,
    target: ts.ScriptTarget.ESNext,
  });
  return (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(module)}`)) as QuickStart;
}

describe.each(['README.md', 'packages/client/README.md'])('the quick start of %s', (page) => {
  it('is shorter than 20 lines', () => {
    expect(quickStartOf(page).trimEnd().split('\n').length).toBeLessThan(20);
  });

  it('works unchanged', async () => {
    // The code uses the machine's clock. A service whose clock is behind would have no key for the code's day.
    world.gatekeeper.clock.set(new Date());
    const user = await world.gatekeeper.signIn();
    const firebaseUser = { getIdToken: async () => idTokenOf(user) };
    const connection = await (await load(quickStartOf(page))).run(sdk, firebaseUser);
    expect(connection.location).toBe('de-frankfurt');
    const status = () => world.client.connectionStatus(connection).catch(({ code }: sdk.VpnApiError) => code);
    await expect.poll(status).toBe('connection_not_found');
  });
});
