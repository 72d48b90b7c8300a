import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { anonymizerEnv, gatekeeperEnv, startTestApp } from '../support/app.js';
import { addLocation } from '../support/fleet.js';
import { type SignedIn, startGatekeeper, type TestGatekeeper } from '../support/gatekeeper.js';
import { patiently } from '../support/patiently.js';
import { redemptionBody } from '../../src/vpn-config/vpn-config.schema.js';
import { KnownLocationsService } from '../../src/preferences/index.js';
import { NotificationKind } from '../../src/prisma/identity/index.js';
import { optionalKinds, pushedKinds } from '../../src/preferences/notification-choices.js';
import { defaultPreferences } from '../../src/preferences/preferences.service.js';
import { locationName, type Preferences, preferences } from '../../src/preferences/preferences.schema.js';

let gatekeeper: TestGatekeeper;
let user: SignedIn;

/** A fake anonymizer: it serves the public list of locations, or the response of a broken host. */
let anonymizer: Server;
let requests = 0;
let anonymizerResponse: { status: number; body: string };
const listOf = (...ids: string[]) => ({
  status: 200,
  body: JSON.stringify({ locations: ids.map((id) => ({ id, load: 25 })) }),
});

beforeAll(async () => {
  anonymizerResponse = listOf('de-frankfurt', 'se-stockholm');
  anonymizer = createServer((_, response) => {
    requests += 1;
    response.writeHead(anonymizerResponse.status, { 'content-type': 'application/json' }).end(anonymizerResponse.body);
  });
  await new Promise<void>((resolve) => anonymizer.listen(0, '127.0.0.1', resolve));
  const { port } = anonymizer.address() as AddressInfo;
  gatekeeper = await startGatekeeper({ LOCATIONS_URL: `http://127.0.0.1:${port}/vpn/locations` });
  await locations().refresh();
});
afterAll(async () => {
  await gatekeeper.stop();
  anonymizer.close();
});
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  user = await gatekeeper.signIn();
});

const locations = () => gatekeeper.service.app.get(KnownLocationsService, { strict: false });

interface Reply {
  readonly status: number;
  readonly etag: string | null;
  readonly body: Preferences & { readonly code?: string; readonly detail?: string };
}

async function ask(method: string, body?: unknown, ifMatch?: string): Promise<Reply> {
  const request = {
    method,
    headers: {
      ...user.headers,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  };
  const response = await patiently(() => fetch(`${gatekeeper.service.url}/preferences`, request));
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    body: (await response.json()) as Reply['body'],
  };
}

describe('the preferences', () => {
  it('are the defaults until the user changes them', async () => {
    expect(await ask('GET')).toEqual({ status: 200, etag: '"0"', body: defaultPreferences });
  });

  it('store changes and count versions', async () => {
    const wanted = { ...defaultPreferences, defaultLocation: 'de-frankfurt', dnsBlocking: 'ads', endpointPort: 443 };
    expect(await ask('PUT', wanted, '"0"')).toEqual({ status: 200, etag: '"1"', body: wanted });
    const patch = { endpointPort: null, notMailed: ['welcome', 'renewed', 'welcome'], notPushed: ['refunded'] };
    const patched = await ask('PATCH', patch, '"1"');
    expect([patched.status, patched.etag]).toEqual([200, '"2"']);
    expect(patched.body).toMatchObject({
      defaultLocation: 'de-frankfurt',
      endpointPort: null,
      notMailed: ['renewed', 'welcome'],
      notPushed: ['refunded'],
    });
    expect(await ask('GET')).toEqual({ ...patched, etag: '"2"' });
  });

  it('belong to one user', async () => {
    await ask('PATCH', { endpointPort: 443 }, '*');
    user = await gatekeeper.signIn();
    expect((await ask('GET')).body.endpointPort).toBeNull();
  });

  it('do not allow users to turn off mails about the account and its payments', async () => {
    const mandatory = Object.values(NotificationKind).filter(
      (kind) => !(optionalKinds as readonly string[]).includes(kind),
    );
    expect(mandatory).toContain('payment_failed');
    for (const kind of mandatory) {
      const { status, body } = await ask('PATCH', { notMailed: [kind] }, '*');
      expect([kind, status, body.detail]).toEqual([kind, 400, expect.stringContaining('notMailed')]);
    }
    expect((await ask('PATCH', { notMailed: optionalKinds, notPushed: pushedKinds }, '*')).status).toBe(200);
  });

  it.each(['splitTunnel', 'trustedNetworks', 'autoConnect', 'favouriteLocations'])(
    'refuse %s, which would profile the user',
    async (field) => {
      const { status, body } = await ask('PATCH', { [field]: ['x'] }, '*');
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.detail).toContain(field);
    },
  );
});

describe('concurrent changes', () => {
  it('do not overwrite each other: of twenty changes to one version, one succeeds and the others get 412', async () => {
    const ports = Array.from({ length: 20 }, (_, index) => 1000 + index);
    const responses = await Promise.all(ports.map((endpointPort) => ask('PATCH', { endpointPort }, '"0"')));
    const succeeded = responses.filter(({ status }) => status === 200);
    expect(succeeded).toHaveLength(1);
    for (const { status, body, etag } of responses.filter((one) => !succeeded.includes(one))) {
      expect([status, body.code, etag]).toEqual([412, 'precondition_failed', '"1"']);
    }
    expect((await ask('GET')).body.endpointPort).toBe(succeeded[0]?.body.endpointPort);
    expect((await ask('GET')).etag).toBe('"1"');
  });

  it('do not overwrite each other on an existing row either', async () => {
    await ask('PATCH', { endpointPort: 1 }, '"0"');
    const responses = await Promise.all([2, 3, 4, 5].map((endpointPort) => ask('PATCH', { endpointPort }, '"1"')));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  });

  it('to different fields all succeed with If-Match: *', async () => {
    const patches = [{ endpointPort: 443 }, { dnsBlocking: 'ads' }, { notPushed: ['welcome'] }];
    const responses = await Promise.all(patches.map((patch) => ask('PATCH', patch, '*')));
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { body, etag } = await ask('GET');
    expect(body).toMatchObject({ endpointPort: 443, dnsBlocking: 'ads', notPushed: ['welcome'] });
    expect(etag).toBe('"3"');
  });

  it('can be repeated when the first response was lost', async () => {
    await ask('PATCH', { endpointPort: 443 }, '"0"');
    expect(await ask('PATCH', { endpointPort: 443 }, '"0"')).toMatchObject({ status: 200, etag: '"1"' });
  });
});

describe('If-Match', () => {
  it('is required, and must name the current version', async () => {
    expect(await ask('PATCH', { endpointPort: 443 })).toMatchObject({
      status: 428,
      body: { code: 'precondition_required' },
    });
    for (const bad of ['0', 'anything', '"0" "1"', '""0""', '*, "0"']) {
      expect(await ask('PATCH', { endpointPort: 443 }, bad)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      });
    }
    for (const other of ['"1"', 'W/"0"', '"abc"', '"00"', '"999999999999"']) {
      expect(await ask('PATCH', { endpointPort: 443 }, other)).toMatchObject({ status: 412 });
    }
    expect(await ask('PATCH', { endpointPort: 443 }, '"7", "0"')).toMatchObject({ status: 200, etag: '"1"' });
  });
});

describe('the default location', () => {
  it('must be in the public list', async () => {
    const { status, body } = await ask('PATCH', { defaultLocation: 'fr-paris' }, '*');
    expect([status, body.code, body.detail]).toEqual([
      400,
      'invalid_request',
      expect.stringContaining('GET /vpn/locations'),
    ]);
    expect(await ask('PATCH', { defaultLocation: 'se-stockholm' }, '*')).toMatchObject({ status: 200 });
  });

  it('may stay after it was removed from the list, while other fields change', async () => {
    await ask('PATCH', { defaultLocation: 'se-stockholm' }, '*');
    anonymizerResponse = listOf('de-frankfurt');
    await locations().refresh();
    expect(await ask('PATCH', { endpointPort: 443 }, '*')).toMatchObject({
      status: 200,
      body: { defaultLocation: 'se-stockholm' },
    });
    expect(await ask('PATCH', { defaultLocation: null }, '*')).toMatchObject({ status: 200 });
    expect(await ask('PATCH', { defaultLocation: 'se-stockholm' }, '*')).toMatchObject({ status: 400 });
    anonymizerResponse = listOf('de-frankfurt', 'se-stockholm');
    await locations().refresh();
  });

  it('is checked without a request to the anonymizer, which must not see what a user does', async () => {
    const before = requests;
    for (const defaultLocation of ['de-frankfurt', 'fr-paris', 'se-stockholm'])
      await ask('PATCH', { defaultLocation }, '*');
    expect(requests).toBe(before);
  });

  it.each([
    ['a body without a list', { status: 200, body: '{"locations":{}}' }],
    ['an error', { status: 500, body: '' }],
    ['a body that is not JSON', { status: 200, body: '<html>' }],
    [
      'a body that is too large',
      { status: 200, body: JSON.stringify({ locations: [], more: 'x'.repeat(2 * 1024 * 1024) }) },
    ],
  ])('is checked against the previous list if the anonymizer returns %s', async (_what, broken) => {
    anonymizerResponse = broken;
    await expect(locations().refresh()).rejects.toThrow();
    expect(await ask('PATCH', { defaultLocation: 'de-frankfurt' }, '*')).toMatchObject({ status: 200 });
    anonymizerResponse = listOf('de-frankfurt', 'se-stockholm');
  });

  it('cannot be chosen until the list was fetched; other fields can be changed', async () => {
    const alone = await startTestApp({
      SERVICE_ROLE: 'gatekeeper',
      ...gatekeeperEnv(gatekeeper.stack, gatekeeper.firebase),
    });
    const send = (patch: unknown) =>
      fetch(`${alone.url}/preferences`, {
        method: 'PATCH',
        headers: { ...user.headers, 'content-type': 'application/json', 'if-match': '*' },
        body: JSON.stringify(patch),
      });
    const refused = await send({ defaultLocation: 'de-frankfurt' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30']);
    expect((await send({ endpointPort: 443 })).status).toBe(200);
    await alone.stop();
  });

  it('is checked within the process if both sides run in one', async () => {
    const { stack, firebase } = gatekeeper;
    const both = await startTestApp({ ...gatekeeperEnv(stack, firebase), ...anonymizerEnv(stack) });
    await addLocation(both, 'no-oslo');
    const choose = (defaultLocation: string) =>
      fetch(`${both.url}/preferences`, {
        method: 'PATCH',
        headers: { ...user.headers, 'content-type': 'application/json', 'if-match': '*' },
        body: JSON.stringify({ defaultLocation }),
      });
    await expect.poll(async () => (await choose('no-oslo')).status).toBe(200);
    expect((await choose('de-frankfurt')).status).toBe(400);
    await both.stop();
  });
});

it('uses the same location ids and DNS blocking values as the anonymizer', () => {
  expect(preferences.shape.dnsBlocking.options).toEqual(redemptionBody.shape.dns_blocking.unwrap().options);
  const ids = ['de-frankfurt', 'x', 'a--b', '-a', 'a_b', 'A', 'a'.repeat(65)];
  const accepted = (schema: { safeParse(value: unknown): { success: boolean } }) =>
    ids.filter((id) => schema.safeParse(id).success);
  expect(accepted(locationName)).toEqual(accepted(redemptionBody.shape.location));
});
