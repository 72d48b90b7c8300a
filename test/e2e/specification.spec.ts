import {
  blind,
  challengeDigestOf,
  currentKey,
  finalize,
  parseDirectory,
  parseWireguardConf,
} from '@vpn-backend/client';
import { type NodeAgent } from 'vpn-node-agent';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeFirebase, startFakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { type Clock } from '../../src/platform/config/index.js';
import { anonymizerEnv, gatekeeperEnv, startTestApp, type TestApp } from '../support/app.js';
import { followAs } from '../support/anonymizer.js';
import { addLocation, enrolmentToken, wireguardKey } from '../support/fleet.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';

/* The requests and answers of the specification, one by one, with its own names and fields. */

interface Sides {
  readonly gatekeeper: TestApp;
  readonly anonymizer: TestApp;
}

type StartSides = (stack: TestStack, firebase: FakeFirebase, clock: Clock) => Promise<Sides>;

const oneProcess: StartSides = async (stack, firebase, clock) => {
  const both = await startTestApp({ ...gatekeeperEnv(stack, firebase), ...anonymizerEnv(stack) }, clock);
  return { gatekeeper: both, anonymizer: both };
};

const twoProcesses: StartSides = async (stack, firebase, clock) => {
  const gatekeeper = await startTestApp({ SERVICE_ROLE: 'gatekeeper', ...gatekeeperEnv(stack, firebase) }, clock);
  const ISSUER_DIRECTORY_URL = `${gatekeeper.url}/.well-known/private-token-issuer-directory`;
  const role = { SERVICE_ROLE: 'anonymizer', ISSUER_DIRECTORY_URL };
  return { gatekeeper, anonymizer: await startTestApp({ ...role, ...anonymizerEnv(stack) }, clock) };
};

describe.each([
  ['one process', oneProcess],
  ['a process for each side', twoProcesses],
])('the specification, served by %s', (_shape, startSides) => {
  // A fixed clock: at midnight the key changes, perhaps between the blinding and the signing of a token.
  const clock = new TestClock(new Date());
  let stack: TestStack;
  let firebase: FakeFirebase;
  let sides: Sides;
  let agent: NodeAgent | undefined;
  let node: { id: string; credential: string; publicKey: string };

  beforeAll(async () => {
    [stack, firebase] = await Promise.all([createTestStack(), startFakeFirebase({ projectId: 'demo-vpn', clock })]);
    sides = await startSides(stack, firebase, clock);
    await addLocation(sides.anonymizer, 'de-frankfurt');
  });

  afterAll(async () => {
    await agent?.stop();
    await Promise.all([...new Set([sides.anonymizer, sides.gatekeeper])].map((service) => service.stop()));
    await Promise.all([stack.stop(), firebase.close()]);
  });

  const post = async (service: TestApp, path: string, body?: object, bearer?: string) => {
    const response = await fetch(service.url + path, {
      method: 'POST',
      headers: {
        ...(body && { 'content-type': 'application/json' }),
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      },
      body: body && JSON.stringify(body),
    });
    return { http: response.status, body: (await response.json()) as Record<string, string> };
  };
  const signIn = async () => {
    const { uid } = firebase.createAccount({ email: `${crypto.randomUUID()}@example.com`, emailVerified: true });
    return firebase.mintIdToken(uid);
  };
  const blindToken = async () => {
    const response = await fetch(`${sides.gatekeeper.url}/.well-known/private-token-issuer-directory`);
    const directory = await parseDirectory(await response.json());
    const key = currentKey(directory, clock.now().getTime());
    return blind(key.spki, await challengeDigestOf(directory.challenge));
  };
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  /** Steps 2 and 3 of the specification, up to the token T and its signature. */
  const getToken = async () => {
    const idToken = await signIn();
    await post(sides.gatekeeper, '/subscription/trial', undefined, idToken);
    const blinded = await blindToken();
    const body = { blindedToken: text(blinded.blindedToken) };
    const issued = await post(sides.gatekeeper, '/auth/vpn-token', body, idToken);
    const blindSignature = new Uint8Array(Buffer.from(issued.body['signature'] ?? '', 'base64url'));
    const unblinded = await finalize(blinded, blindSignature);
    return { token: text(blinded.token), signature: text(unblinded) };
  };

  it('POST /node/register { public_key, ip, location_id } answers 201 { id }', async () => {
    const publicKey = wireguardKey();
    const registration = { public_key: publicKey, ip: '127.0.0.1', location_id: 'de-frankfurt' };
    const token = await enrolmentToken(sides.anonymizer);
    const answer = await post(sides.anonymizer, '/node/register', registration, token);
    expect(answer.http).toBe(201);
    const { id = '', credential = '' } = answer.body;
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    node = { id, credential, publicKey };
  });

  it('POST /node/{id}/pulse { currentLoad: 45 } answers 200', async () => {
    const answer = await post(sides.anonymizer, `/node/${node.id}/pulse`, { currentLoad: 45 }, node.credential);
    expect(answer).toMatchObject({ http: 200, body: { status: 'healthy' } });
    const load = await query(stack.ownerUrl, 'SELECT current_load FROM network."Node"');
    expect(load).toEqual([{ current_load: 45 }]);
    ({ agent } = await followAs(node, sides.anonymizer.url));
  });

  it('POST /auth/vpn-token { blindedToken } answers 403 while the subscription is inactive', async () => {
    const { blindedToken } = await blindToken();
    const body = { blindedToken: text(blindedToken) };
    const answer = await post(sides.gatekeeper, '/auth/vpn-token', body, await signIn());
    expect(answer).toMatchObject({ http: 403, body: { code: 'subscription_inactive' } });
  });

  it('POST /auth/vpn-token { blindedToken } answers 200 { signature, expiry: "24h" } during a trial', async () => {
    const idToken = await signIn();
    const trial = await post(sides.gatekeeper, '/subscription/trial', undefined, idToken);
    expect(trial).toMatchObject({ http: 201, body: { state: 'TRIAL' } });
    const { blindedToken } = await blindToken();
    const body = { blindedToken: text(blindedToken) };
    const answer = await post(sides.gatekeeper, '/auth/vpn-token', body, idToken);
    expect(answer).toMatchObject({ http: 200, body: { expiry: '24h' } });
    expect(answer.body['signature']).toMatch(/^[A-Za-z0-9_-]{342}$/);
  });

  it('POST /vpn/config { token, signature, location } answers 200 { wireguard_conf }, then 409', async () => {
    const body = { ...(await getToken()), location: 'de-frankfurt' };
    const answer = await post(sides.anonymizer, '/vpn/config', body);
    expect(answer.http).toBe(200);
    const conf = parseWireguardConf(answer.body['wireguard_conf'] ?? '');
    expect(conf.peer.publicKey).toBe(node.publicKey);
    const again = await post(sides.anonymizer, '/vpn/config', body);
    expect(again).toMatchObject({ http: 409, body: { code: 'token_reused' } });
  });

  it('POST /vpn/config answers 401 when the signature is not ours', async () => {
    const [one, other] = [await getToken(), await getToken()];
    const body = { token: one.token, signature: other.signature, location: 'de-frankfurt' };
    const answer = await post(sides.anonymizer, '/vpn/config', body);
    expect(answer).toMatchObject({ http: 401, body: { code: 'invalid_signature' } });
  });
});
