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
let person: SignedIn;

/** The other side, as little of it as is public: a list, or whatever a broken host answers. */
let otherSide: Server;
let asked = 0;
let answer: { status: number; body: string };
const listOf = (...ids: string[]) => ({
  status: 200,
  body: JSON.stringify({ locations: ids.map((id) => ({ id, load: 25 })) }),
});

beforeAll(async () => {
  answer = listOf('de-frankfurt', 'se-stockholm');
  otherSide = createServer((_, response) => {
    asked += 1;
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  });
  await new Promise<void>((resolve) => otherSide.listen(0, '127.0.0.1', resolve));
  const { port } = otherSide.address() as AddressInfo;
  gatekeeper = await startGatekeeper({ LOCATIONS_URL: `http://127.0.0.1:${port}/vpn/locations` });
  await locations().refresh();
});
afterAll(async () => {
  await gatekeeper.stop();
  otherSide.close();
});
beforeEach(async () => {
  // Firebase dates sign-ins by the machine's clock.
  gatekeeper.clock.set(new Date());
  person = await gatekeeper.signIn();
});

const locations = () => gatekeeper.service.app.get(KnownLocationsService, { strict: false });

interface Answered {
  readonly status: number;
  readonly etag: string | null;
  readonly body: Preferences & { readonly code?: string; readonly detail?: string };
}

async function ask(method: string, body?: unknown, ifMatch?: string): Promise<Answered> {
  const request = {
    method,
    headers: {
      ...person.headers,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  };
  const response = await patiently(() => fetch(`${gatekeeper.service.url}/preferences`, request));
  return {
    status: response.status,
    etag: response.headers.get('etag'),
    body: (await response.json()) as Answered['body'],
  };
}

describe('preferences', () => {
  it('are the defaults until something is chosen', async () => {
    expect(await ask('GET')).toEqual({ status: 200, etag: '"0"', body: defaultPreferences });
  });

  it('keep what was chosen, and count the changes', async () => {
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

  it('of one person are not another’s', async () => {
    await ask('PATCH', { endpointPort: 443 }, '*');
    person = await gatekeeper.signIn();
    expect((await ask('GET')).body.endpointPort).toBeNull();
  });

  it('let mails about account and money be turned off by nobody', async () => {
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
    'refuse %s, which would say how somebody lives',
    async (field) => {
      const { status, body } = await ask('PATCH', { [field]: ['x'] }, '*');
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(body.detail).toContain(field);
    },
  );
});

describe('two devices', () => {
  it('never overwrite each other: of twenty racing changes of one version one is made, and the others are told', async () => {
    const ports = Array.from({ length: 20 }, (_, index) => 1000 + index);
    const answers = await Promise.all(ports.map((endpointPort) => ask('PATCH', { endpointPort }, '"0"')));
    const made = answers.filter(({ status }) => status === 200);
    expect(made).toHaveLength(1);
    for (const { status, body, etag } of answers.filter((one) => !made.includes(one))) {
      expect([status, body.code, etag]).toEqual([412, 'precondition_failed', '"1"']);
    }
    expect((await ask('GET')).body.endpointPort).toBe(made[0]?.body.endpointPort);
    expect((await ask('GET')).etag).toBe('"1"');
  });

  it('that race over what is there already lose nothing either', async () => {
    await ask('PATCH', { endpointPort: 1 }, '"0"');
    const answers = await Promise.all([2, 3, 4, 5].map((endpointPort) => ask('PATCH', { endpointPort }, '"1"')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  });

  it('that patch different fields whatever the version both get their way', async () => {
    const patches = [{ endpointPort: 443 }, { dnsBlocking: 'ads' }, { notPushed: ['welcome'] }];
    const answers = await Promise.all(patches.map((patch) => ask('PATCH', patch, '*')));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const { body, etag } = await ask('GET');
    expect(body).toMatchObject({ endpointPort: 443, dnsBlocking: 'ads', notPushed: ['welcome'] });
    expect(etag).toBe('"3"');
  });

  it('are told that a change was made whose answer was lost', async () => {
    await ask('PATCH', { endpointPort: 443 }, '"0"');
    expect(await ask('PATCH', { endpointPort: 443 }, '"0"')).toMatchObject({ status: 200, etag: '"1"' });
  });
});

describe('a change', () => {
  it('says what it was made of', async () => {
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
  it('is one that is offered to everyone', async () => {
    const { status, body } = await ask('PATCH', { defaultLocation: 'fr-paris' }, '*');
    expect([status, body.code, body.detail]).toEqual([
      400,
      'invalid_request',
      expect.stringContaining('GET /vpn/locations'),
    ]);
    expect(await ask('PATCH', { defaultLocation: 'se-stockholm' }, '*')).toMatchObject({ status: 200 });
  });

  it('may stay when it is offered no longer, while something else is changed', async () => {
    await ask('PATCH', { defaultLocation: 'se-stockholm' }, '*');
    answer = listOf('de-frankfurt');
    await locations().refresh();
    expect(await ask('PATCH', { endpointPort: 443 }, '*')).toMatchObject({
      status: 200,
      body: { defaultLocation: 'se-stockholm' },
    });
    expect(await ask('PATCH', { defaultLocation: null }, '*')).toMatchObject({ status: 200 });
    expect(await ask('PATCH', { defaultLocation: 'se-stockholm' }, '*')).toMatchObject({ status: 400 });
    answer = listOf('de-frankfurt', 'se-stockholm');
    await locations().refresh();
  });

  it('is checked without a question to the other side: what a person does is not to be seen there', async () => {
    const before = asked;
    for (const defaultLocation of ['de-frankfurt', 'fr-paris', 'se-stockholm'])
      await ask('PATCH', { defaultLocation }, '*');
    expect(asked).toBe(before);
  });

  it.each([
    ['no list', { status: 200, body: '{"locations":{}}' }],
    ['an error', { status: 500, body: '' }],
    ['no JSON', { status: 200, body: '<html>' }],
    ['too much', { status: 200, body: JSON.stringify({ locations: [], more: 'x'.repeat(2 * 1024 * 1024) }) }],
  ])('is checked against what was last known when the other side answers %s', async (_what, broken) => {
    answer = broken;
    await expect(locations().refresh()).rejects.toThrow();
    expect(await ask('PATCH', { defaultLocation: 'de-frankfurt' }, '*')).toMatchObject({ status: 200 });
    answer = listOf('de-frankfurt', 'se-stockholm');
  });

  it('cannot be chosen while no list was ever read; everything else can', async () => {
    const alone = await startTestApp({
      SERVICE_ROLE: 'gatekeeper',
      ...gatekeeperEnv(gatekeeper.stack, gatekeeper.firebase),
    });
    const send = (patch: unknown) =>
      fetch(`${alone.url}/preferences`, {
        method: 'PATCH',
        headers: { ...person.headers, 'content-type': 'application/json', 'if-match': '*' },
        body: JSON.stringify(patch),
      });
    const refused = await send({ defaultLocation: 'de-frankfurt' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30']);
    expect((await send({ endpointPort: 443 })).status).toBe(200);
    await alone.stop();
  });

  it('is checked within the process where both sides are one', async () => {
    const { stack, firebase } = gatekeeper;
    const both = await startTestApp({ ...gatekeeperEnv(stack, firebase), ...anonymizerEnv(stack) });
    await addLocation(both, 'no-oslo');
    const choose = (defaultLocation: string) =>
      fetch(`${both.url}/preferences`, {
        method: 'PATCH',
        headers: { ...person.headers, 'content-type': 'application/json', 'if-match': '*' },
        body: JSON.stringify({ defaultLocation }),
      });
    await expect.poll(async () => (await choose('no-oslo')).status).toBe(200);
    expect((await choose('de-frankfurt')).status).toBe(400);
    await both.stop();
  });
});

it('the words of both sides for one thing are the same', () => {
  expect(preferences.shape.dnsBlocking.options).toEqual(redemptionBody.shape.dns_blocking.unwrap().options);
  const ids = ['de-frankfurt', 'x', 'a--b', '-a', 'a_b', 'A', 'a'.repeat(65)];
  const taken = (schema: { safeParse(value: unknown): { success: boolean } }) =>
    ids.filter((id) => schema.safeParse(id).success);
  expect(taken(locationName)).toEqual(taken(redemptionBody.shape.location));
});
