import { constants, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { redeemAt, type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { buildTokenInput, challengeDigest, serviceChallenge } from '../../src/crypto/index.js';
import { VerifierKeysService } from '../../src/crypto/verifier/index.js';
import { TokenInspectorService } from '../../src/vpn-config/token-inspector.service.js';

let anonymizer: TestAnonymizer;
let verifier: VerifierKeysService;
let start: Date;
let good: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  verifier = anonymizer.service.app.get(VerifierKeysService, { strict: false });
  start = anonymizer.clock.now();
  await anonymizer.addNode();
});

beforeEach(async () => {
  anonymizer.clock.set(start);
  good = await anonymizer.request();
});

afterAll(() => anonymizer.stop());

const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const text = (bytes: Buffer) => bytes.toString('base64url');
const ours = { issuerName: 'issuer.example', originInfo: 'vpn.example' };
const hostileKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

function signed(token: Buffer, key: KeyObject, saltLength = 48): string {
  return text(sign('sha384', token, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength }));
}

/** A token that names today's key and answers this challenge. */
function tokenFor(challenge: typeof ours, keyId = anonymizer.issuer.signingKey().keyId): Buffer {
  return buildTokenInput({
    nonce: randomBytes(32),
    challengeDigest: challengeDigest(serviceChallenge(challenge)),
    keyId,
  });
}

function flipped(textOfBytes: string, byte: number): string {
  const bytes = bytesOf(textOfBytes);
  bytes.writeUInt8(bytes.readUInt8(byte) ^ 1, byte);
  return text(bytes);
}

describe('a token that is none of ours', () => {
  it.each([0x0001, 0x0003, 0xda7a])('of type %i: 400', async (type) => {
    const token = bytesOf(good.token);
    token.writeUInt16BE(type);
    expect(await anonymizer.redeem({ ...good, token: text(token) })).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errors: [{ field: 'token' }],
    });
  });

  it.each([
    ['another issuer', { ...ours, issuerName: 'issuer.example.net' }],
    ['another origin', { ...ours, originInfo: 'other.example' }],
    ['no origin', { ...ours, originInfo: '' }],
  ])('for %s: 400, whoever signed it', async (_which, challenge) => {
    const token = tokenFor(challenge);
    const answer = await anonymizer.redeem({ ...good, token: text(token), signature: signed(token, hostileKey) });
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request', errors: [{ field: 'token' }] });
  });
});

describe('a signature', () => {
  it.each<[what: string, change: () => Promise<object> | object]>([
    ['of random bytes', () => ({ signature: text(Buffer.concat([Buffer.of(0), randomBytes(255)])) })],
    ['of zeros', () => ({ signature: text(Buffer.alloc(256)) })],
    ['beyond the modulus', () => ({ signature: text(Buffer.alloc(256, 0xff)) })],
    ['altered at its start', () => ({ signature: flipped(good.signature, 0) })],
    ['altered at its end', () => ({ signature: flipped(good.signature, 255) })],
    ['of a token with another nonce', () => ({ token: flipped(good.token, 2) })],
    ['of another token', async () => ({ signature: (await anonymizer.mint()).signature })],
    ['by a key of the forger', () => ({ signature: signed(bytesOf(good.token), hostileKey) })],
  ])('%s: 401, and the token is as good as before', async (_what, change) => {
    const answer = await anonymizer.redeem({ ...good, ...(await change()) });
    expect(answer).toMatchObject({ status: 401, code: 'invalid_signature' });
    expect(answer.headers.get('www-authenticate')).toMatch(/^PrivateToken challenge="/);
    expect(await anonymizer.redis.keys('spent:*')).toEqual([]);
    expect(await anonymizer.rows()).toEqual([]);
  });
});

describe('a fingerprint', () => {
  it('is the same again for the same token and public_key, and without one is nobody’s', async () => {
    const inspector = anonymizer.service.app.get(TokenInspectorService, { strict: false });
    const common = { token: bytesOf(good.token), signature: bytesOf(good.signature), location: good.location };
    const of = async (publicKey?: Buffer<ArrayBuffer>) =>
      (await inspector.inspect({ ...common, publicKey, dnsBlocking: 'none' })).fingerprint;
    const [mine, theirs] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(await of(mine)).toBe(await of(mine));
    expect(new Set([await of(mine), await of(theirs), await of(), await of()]).size).toBe(4);
  });
});

describe('a key', () => {
  const refusedFor = async (keyId: Buffer) => {
    const token = tokenFor(ours, keyId);
    return anonymizer.redeem({ ...good, token: text(token), signature: signed(token, hostileKey) });
  };

  it('that nobody has heard of: 401 while the list is fresh', async () => {
    const answer = await refusedFor(randomBytes(32));
    expect(answer).toMatchObject({ status: 401, code: 'unknown_key' });
    expect(answer.headers.get('www-authenticate')).toContain('token-key="');
  });

  it('that nobody has heard of while the issuer cannot be asked: 503, for it may be good; known ones go on', async () => {
    // A stale verifier keeps what this database has learnt, and takes nothing from an issuer that is away.
    const away = await anonymizer.addCutOff();
    const token = tokenFor(ours, randomBytes(32));
    const unknown = await redeemAt(away.url, { ...good, token: text(token), signature: signed(token, hostileKey) });
    expect(unknown).toMatchObject({ status: 503, code: 'unavailable' });
    expect(unknown.headers.get('retry-after')).toBe('5');
    const known = await redeemAt(away.url, { ...good, signature: flipped(good.signature, 9) });
    expect(known).toMatchObject({ status: 401, code: 'invalid_signature' });
  });

  it('that this side has denied ends at once, and its replacement verifies', async () => {
    const { keyId } = anonymizer.issuer.signingKey();
    await verifier.deny(keyId);
    expect(await anonymizer.redeem(good)).toMatchObject({ status: 401, code: 'token_expired' });
    await anonymizer.issuer.retire(keyId);
    expect((await anonymizer.connect(await anonymizer.request())).status).toBe(200);
  });

  it('that the issuer has retired ends with the next read', async () => {
    expect((await anonymizer.redeem({ ...good, signature: flipped(good.signature, 9) })).code).toBe(
      'invalid_signature',
    );
    await anonymizer.issuer.retire(anonymizer.issuer.signingKey().keyId);
    await verifier.poll();
    expect(await anonymizer.redeem(good)).toMatchObject({ status: 401, code: 'token_expired' });
  });

  // Last: while the clock is ahead, maintenance may well erase the key that signs today.
  it('verifies to the last millisecond of its time, and not beyond', async () => {
    const { verifyUntil } = anonymizer.issuer.signingKey();
    anonymizer.clock.set(new Date(verifyUntil.getTime() - 1));
    expect((await anonymizer.redeem({ ...good, signature: flipped(good.signature, 9) })).code).toBe(
      'invalid_signature',
    );
    anonymizer.clock.set(verifyUntil);
    expect(await anonymizer.redeem(good)).toMatchObject({ status: 401, code: 'token_expired' });
    anonymizer.clock.set(start);
    expect((await anonymizer.connect(good)).status).toBe(200);
  });
});
