import { constants, publicEncrypt, randomBytes } from 'node:crypto';
import { publicVerif, TokenChallenge } from '@cloudflare/privacypass-ts';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type SignedIn } from '../support/gatekeeper.js';
import {
  blinded,
  blindedTexts,
  type CurrentKey,
  type Reply,
  replyOf,
  startIssuing,
  type TestIssuing,
  text,
  tokenRequest,
  tokenRequestType,
} from '../support/issuing.js';
import { query } from '../support/stack.js';
import { IssuerKeysService } from '../../src/crypto/issuer/index.js';

let issuing: TestIssuing;
let start: Date;

beforeAll(async () => {
  issuing = await startIssuing();
  start = issuing.clock.now();
});

afterEach(() => issuing.clock.set(start));

afterAll(() => issuing.stop());

/** s^e: the message that a blind signature signs. */
function signed(signature: string, key: Pick<CurrentKey, 'publicKey'>): string {
  const raw = { key: key.publicKey, padding: constants.RSA_NO_PADDING };
  return text(publicEncrypt(raw, Buffer.from(signature, 'base64url')));
}

describe('POST /auth/vpn-token', () => {
  it('signs one blinded token with the current key', async () => {
    const user = await issuing.signInWithTrial();
    const [blindedToken = ''] = blindedTexts(1);
    const response = await issuing.issue(user.headers, { blindedToken });
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const key = await issuing.currentKey();
    const reply = (await response.json()) as Reply;
    expect(reply).toEqual({
      signature: expect.stringMatching(/^[\w-]{342}$/) as string,
      keyId: text(key.keyId),
      expiry: '24h',
      expiresAt: key.verifyUntil.toISOString(),
    });
    expect(signed(reply.signature, key)).toBe(blindedToken);
  });

  it('signs a batch of 32 in the order of the request', async () => {
    const user = await issuing.signInWithTrial();
    const blindedTokens = blindedTexts(32);
    const key = await issuing.currentKey();
    const reply = await replyOf(await issuing.issue(user.headers, { blindedTokens, keyId: text(key.keyId) }));
    expect(Object.keys(reply).sort()).toEqual(['expiresAt', 'expiry', 'keyId', 'signatures', 'status']);
    expect(reply.signatures.map((signature) => signed(signature, key))).toEqual(blindedTokens);
  });

  it('serves another Privacy Pass client: 259 bytes in, 256 bytes out, and the token verifies', async () => {
    const user = await issuing.signInWithTrial();
    const { spki, publicKey } = await issuing.currentKey();
    const client = new publicVerif.Client(publicVerif.BlindRSAMode.PSS);
    const challenge = new TokenChallenge(0x0002, 'issuer.example', new Uint8Array(), ['vpn.example']);
    const request = new Uint8Array((await client.createTokenRequest(challenge, new Uint8Array(spki))).serialize());
    const response = await issuing.issueBinary(user.headers, request);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/private-token-response');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const bytes = new Uint8Array(await response.arrayBuffer());
    expect([request.length, bytes.length]).toEqual([259, 256]);
    const token = await client.finalize(client.deserializeTokenResponse(bytes));
    const subtleKey = await crypto.subtle.importKey(
      'spki',
      new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
      { name: 'RSA-PSS', hash: 'SHA-384' },
      true,
      ['verify'],
    );
    const origin = new publicVerif.Origin(publicVerif.BlindRSAMode.PSS, ['vpn.example']);
    expect(await origin.verify(token, subtleKey)).toBe(true);
  });

  it('counts a message once and returns the same signature in all three forms', async () => {
    const user = await issuing.signInWithQuota(1);
    const message = blinded();
    const { keyId } = await issuing.currentKey();
    const single = await replyOf(await issuing.issue(user.headers, { blindedToken: text(message) }));
    const batch = await replyOf(await issuing.issue(user.headers, { blindedTokens: [text(message), text(message)] }));
    const request = tokenRequest({ keyId }, message);
    const binary = await issuing.issueBinary(user.headers, request, `${tokenRequestType.toUpperCase()}; v=1`);
    expect(batch.signatures).toEqual([single.signature, single.signature]);
    expect(text(new Uint8Array(await binary.arrayBuffer()))).toBe(single.signature);
    expect(await issuing.countedFor(user)).toBe(1);
  });

  it('needs two statements, for access and quota, once the user is cached', async () => {
    const user = await issuing.signInWithTrial();
    await issuing.issue(user.headers, { blindedToken: blindedTexts(1)[0] });
    const [row] = await query<{ id: string }>(
      issuing.stack.ownerUrl,
      'SELECT id FROM identity."User" WHERE firebase_uid = $1',
      [user.uid],
    );
    const spy = vi.spyOn(pg.Client.prototype, 'query');
    try {
      await issuing.issue(user.headers, { blindedToken: blindedTexts(1)[0] });
      // Jobs query the database meanwhile, but not for this user.
      const statements = spy.mock.calls.map(
        ([statement]) => statement as unknown as { text: string; values?: unknown[] },
      );
      const ours = statements.filter(({ values = [] }) => values.includes(row?.id) || values.includes(user.uid));
      expect(ours.map(({ text: statement }) => statement)).toEqual([
        expect.stringContaining('JOIN "Subscription"'),
        expect.stringContaining('INSERT INTO "TokenIssuance"'),
      ]);
    } finally {
      spy.mockRestore();
    }
  });

  it('gives two users the same response to the same message', async () => {
    const [blindedToken = ''] = blindedTexts(1);
    const answers = await Promise.all(
      [await issuing.signInWithTrial(), await issuing.signInWithQuota(7)].map(async ({ headers }) => {
        const response = await issuing.issue(headers, { blindedToken });
        const { date: _, ...fixed } = Object.fromEntries(response.headers);
        return { fixed, body: await response.text() };
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
  });
});

describe('keys', () => {
  it("signs with yesterday's key for ten minutes if the request names it, and otherwise with today's and its own quota", async () => {
    const user = await issuing.signInWithQuota(1);
    const yesterdays = await issuing.currentKey();
    await issuing.issue(user.headers, { blindedToken: blindedTexts(1)[0] });
    const midnight = Date.parse(`${start.toISOString().slice(0, 10)}T00:00:00Z`) + 86_400_000;
    issuing.clock.set(new Date(midnight + 9 * 60_000));
    await issuing.service.app.get(IssuerKeysService, { strict: false }).ensureKeys();
    const headers = await issuing.signInForDays(user);
    const keyId = text(yesterdays.keyId);

    const unnamed = await replyOf(await issuing.issue(headers, { blindedToken: blindedTexts(1)[0] }));
    expect(unnamed).toMatchObject({ status: 200, keyId: text((await issuing.currentKey()).keyId) });
    expect(unnamed.keyId).not.toBe(keyId);

    const spent = await issuing.issue(headers, { blindedToken: blindedTexts(1)[0], keyId });
    expect([spent.status, spent.headers.get('retry-after')]).toEqual([429, '1']);
    await issuing.movePlan(user, 2);
    const named = await replyOf(await issuing.issue(headers, { blindedToken: blindedTexts(1)[0], keyId }));
    expect(named).toMatchObject({ status: 200, keyId, expiresAt: yesterdays.verifyUntil.toISOString() });

    issuing.clock.set(new Date(midnight + 10 * 60_000));
    expect(await replyOf(await issuing.issue(headers, { blindedToken: blindedTexts(1)[0], keyId }))).toMatchObject({
      status: 409,
      code: 'key_retired',
    });
  });

  it('refuses an unknown key', async () => {
    const user = await issuing.signInWithTrial();
    const body = { blindedToken: blindedTexts(1)[0], keyId: text(randomBytes(32)) };
    expect(await replyOf(await issuing.issue(user.headers, body))).toMatchObject({
      status: 409,
      code: 'key_retired',
    });
    expect(await issuing.countedFor(user)).toBe(0);
  });
});

describe('a number that no blinding yields', () => {
  it('is refused in every form, together with the rest of its batch, and is not counted', async () => {
    const user = await issuing.signInWithTrial();
    const { keyId, modulus } = await issuing.currentKey();
    const n = BigInt(`0x${modulus.toString('hex')}`);
    for (const number of [0n, 1n, n - 1n, n, 2n ** 2048n - 1n]) {
      const message = Buffer.from(number.toString(16).padStart(512, '0'), 'hex');
      const answers = [
        await issuing.issue(user.headers, { blindedToken: text(message) }),
        await issuing.issue(user.headers, { blindedTokens: [...blindedTexts(1), text(message)] }),
        await issuing.issueBinary(user.headers, tokenRequest({ keyId }, message)),
      ];
      for (const answer of answers) {
        expect(await replyOf(answer)).toMatchObject({ status: 422, code: 'invalid_token_request' });
      }
    }
    expect(await issuing.countedFor(user)).toBe(0);
  });
});

describe('without access, POST /auth/vpn-token signs and counts nothing', () => {
  const refused = async (user: SignedIn, headers = user.headers as Record<string, string>) => {
    for (const body of [{ blindedToken: blindedTexts(1)[0] }, { blindedTokens: blindedTexts(2) }]) {
      expect(await replyOf(await issuing.issue(headers, body))).toMatchObject({
        status: 403,
        code: 'subscription_inactive',
      });
    }
    const { keyId } = await issuing.currentKey();
    const request = tokenRequest({ keyId }, blinded());
    expect((await issuing.issueBinary(headers, request)).status).toBe(403);
    expect(await issuing.countedFor(user)).toBe(0);
  };

  it('for a user without a subscription', async () => refused(await issuing.signIn()));

  it('for a user whose trial has ended, even without an event', async () => {
    const user = await issuing.signInWithTrial();
    await query(
      issuing.stack.ownerUrl,
      `UPDATE identity."Subscription" SET paid_through = $1
       WHERE user_id = (SELECT id FROM identity."User" WHERE firebase_uid = $2)`,
      [issuing.clock.now(), user.uid],
    );
    issuing.clock.advance(1000);
    await refused(user);
  });

  it('for a blocked user', async () => {
    const user = await issuing.signInWithTrial();
    await query(
      issuing.stack.ownerUrl,
      `INSERT INTO identity."AccessBlock" (user_id, reason) SELECT id, 'dispute' FROM identity."User" WHERE firebase_uid = $1`,
      [user.uid],
    );
    await refused(user);
  });

  it('for a request without an ID token', async () => {
    for (const response of [
      await issuing.issue({}, { blindedToken: blindedTexts(1)[0] }),
      await issuing.issueBinary({}, new Uint8Array(259)),
    ]) {
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    }
  });
});
