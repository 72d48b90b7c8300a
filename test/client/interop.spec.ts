import { deleteApp, initializeApp } from '@firebase/app';
import {
  applyActionCode,
  connectAuthEmulator,
  createUserWithEmailAndPassword,
  initializeAuth,
  inMemoryPersistence,
  sendEmailVerification,
} from '@firebase/auth';
import { AuthorizationHeader, publicVerif, Token, TokenChallenge } from '@cloudflare/privacypass-ts';
import { createClient, generateWireguardKeyPair, parseTokenKey } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

/* Third-party clients against the running service, and our client together with them. */

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

const mode = publicVerif.BlindRSAMode.PSS;
const base64url = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'));

async function subtleKeyOf(spki: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const { n } = await parseTokenKey(spki);
  const jwk = { kty: 'RSA', n: Buffer.from(n.toString(16), 'hex').toString('base64url'), e: 'AQAB' };
  return crypto.subtle.importKey('jwk', jwk, { name: 'RSA-PSS', hash: 'SHA-384' }, true, ['verify']);
}

describe('@cloudflare/privacypass-ts', () => {
  it('as the client, obtains a token that pays for a connection', async () => {
    const { user, client } = await world.newClient();
    const { key } = await client.issuerKey();
    const otherClient = new publicVerif.Client(mode);
    const challenge = new TokenChallenge(0x0002, 'issuer.example', new Uint8Array(), ['vpn.example']);
    const request = await otherClient.createTokenRequest(challenge, key.spki);
    const answer = await fetch(`${world.gatekeeper.service.url}/auth/vpn-token`, {
      method: 'POST',
      headers: { ...user.headers, 'content-type': 'application/private-token-request' },
      body: new Uint8Array(request.serialize()),
    });
    expect(answer.status).toBe(200);
    const response = otherClient.deserializeTokenResponse(new Uint8Array(await answer.arrayBuffer()));
    const token = await otherClient.finalize(response);
    const { publicKey } = await generateWireguardKeyPair();
    const redeemed = await fetch(`${world.anonymizer.url}/vpn/config`, {
      method: 'POST',
      headers: { authorization: new AuthorizationHeader(token).toString(), 'content-type': 'application/json' },
      body: JSON.stringify({ location: world.location, public_key: publicKey }),
    });
    expect([redeemed.status, await redeemed.json()]).toMatchObject([200, { public_key: publicKey }]);
  });

  it('as the verifier, accepts the tokens of our client', async () => {
    const { client } = await world.newClient();
    const { key } = await client.issuerKey();
    const origin = new publicVerif.Origin(mode, ['vpn.example']);
    for (const { token, signature } of await client.fetchTokens(2)) {
      const bytes = new Uint8Array([...base64url(token), ...base64url(signature)]);
      const parsed = Token.deserialize(publicVerif.BLIND_RSA, bytes);
      expect(await origin.verify(parsed, await subtleKeyOf(key.spki))).toBe(true);
    }
  });
});

describe('an app with Firebase’s own SDK', () => {
  it('signs up, verifies the address, and connects anonymously', async () => {
    const { firebase, service } = world.gatekeeper;
    const app = initializeApp({ projectId: 'demo-vpn', apiKey: 'any' }, crypto.randomUUID());
    const auth = initializeAuth(app, { persistence: inMemoryPersistence });
    connectAuthEmulator(auth, firebase.url, { disableWarnings: true });
    const email = `${crypto.randomUUID()}@example.com`;
    const { user } = await createUserWithEmailAndPassword(auth, email, 'correct horse');

    const vpn = createClient({
      gatekeeperUrl: service.url,
      anonymizerUrl: world.anonymizer.url,
      getIdToken: () => user.getIdToken(),
      now: () => world.gatekeeper.clock.now().getTime(),
    });
    await expect(vpn.startTrial()).rejects.toMatchObject({ code: 'email_not_verified' });
    await sendEmailVerification(user);
    const codes = await fetch(`${firebase.url}/emulator/v1/projects/demo-vpn/oobCodes`);
    const { oobCodes } = (await codes.json()) as { oobCodes: { email: string; oobCode: string }[] };
    await applyActionCode(auth, oobCodes.find((code) => code.email === email)?.oobCode ?? '');
    await user.getIdToken(true);

    expect(await vpn.startTrial()).toMatchObject({ active: true });
    await vpn.wallet.prefetchIfDue();
    const connection = await vpn.connect({ location: 'Frankfurt' });
    expect((await vpn.connectionStatus(connection)).status).toBe('active');
    await deleteApp(app);
  });
});
