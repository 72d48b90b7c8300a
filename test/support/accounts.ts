import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { KnownLocationsService } from '../../src/preferences/index.js';
import { startGatekeeper, type TestGatekeeper } from './gatekeeper.js';

/** A gatekeeper with a fake anonymizer that only serves the public list of locations: de-frankfurt. */
export async function startAccounts(): Promise<{ gatekeeper: TestGatekeeper; stop: () => Promise<void> }> {
  const locations = createServer((_, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ locations: [{ id: 'de-frankfurt' }] }));
  });
  await new Promise<void>((resolve) => locations.listen(0, '127.0.0.1', resolve));
  const { port } = locations.address() as AddressInfo;
  const gatekeeper = await startGatekeeper({ LOCATIONS_URL: `http://127.0.0.1:${port}/vpn/locations` });
  await gatekeeper.service.app.get(KnownLocationsService, { strict: false }).refresh();
  return {
    gatekeeper,
    stop: async () => {
      await gatekeeper.stop();
      locations.close();
    },
  };
}

/** A `fetch` that lets another device apply `change` just before the first PATCH of this one arrives. */
export function overtakenBy(gatekeeper: TestGatekeeper, change: object): typeof fetch {
  let isFirst = true;
  return async (input, init) => {
    if (init?.method === 'PATCH' && isFirst) {
      isFirst = false;
      const { authorization } = init.headers as Record<string, string>;
      await fetch(`${gatekeeper.service.url}/preferences`, {
        method: 'PATCH',
        headers: { authorization: authorization ?? '', 'content-type': 'application/json', 'if-match': '*' },
        body: JSON.stringify(change),
      });
    }
    return fetch(input, init);
  };
}

/** The `Authorization` header of the user who is signed in. @param home directory of the `vpn` command */
export async function bearerOf(gatekeeper: TestGatekeeper, home: string): Promise<string> {
  const { refreshToken } = JSON.parse(readFileSync(join(home, 'session.json'), 'utf8')) as { refreshToken: string };
  const response = await fetch(`${gatekeeper.firebase.url}/securetoken.googleapis.com/v1/token?key=any`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ grant_type: 'refresh_token', refresh_token: refreshToken }),
  });
  return `Bearer ${((await response.json()) as { id_token: string }).id_token}`;
}
