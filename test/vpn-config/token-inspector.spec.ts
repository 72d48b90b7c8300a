import { constants, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { redeemAt, type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { buildTokenInput, challengeDigest, serviceChallenge } from '../../src/crypto/index.js';
import { VerifierKeysService } from '../../src/crypto/verifier/index.js';
import { TokenInspectorService } from '../../src/vpn-config/token-inspector.service.js';

let anonymizer: TestAnonymizer;
let verifier: VerifierKeysService;
let start: Date;
let valid: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  verifier = anonymizer.service.app.get(VerifierKeysService, { strict: false });
  start = anonymizer.clock.now();
  await anonymizer.addNode();
});

beforeEach(async () => {
  anonymizer.clock.set(start);
  valid = await anonymizer.request();
});

afterAll(() => anonymizer.stop());

const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const text = (bytes: Buffer) => bytes.toString('base64url');
const ours = { issuerName: 'issuer.example', originInfo: 'vpn.example' };
const attackerKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;

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

describe('TokenInspectorService: tokens for another service', () => {
  it.each([0x0001, 0x0003, 0xda7a])('refuses a token of type %i with 400', async (type) => {
    const token = bytesOf(valid.token);
    token.writeUInt16BE(type);
    expect(await anonymizer.redeem({ ...valid, token: text(token) })).toMatchObject({
      status: 400,
      code: 'invalid_request',
      errors: [{ field: 'token' }],
    });
  });

  it.each([
    ['another issuer', { ...ours, issuerName: 'issuer.example.net' }],
    ['another origin', { ...ours, originInfo: 'other.example' }],
    ['no origin', { ...ours, originInfo: '' }],
  ])('refuses a token for %s with 400, before it checks the signature', async (_which, challenge) => {
    const token = tokenFor(challenge);
    const answer = await anonymizer.redeem({ ...valid, token: text(token), signature: signed(token, attackerKey) });
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request', errors: [{ field: 'token' }] });
  });
});

describe('TokenInspectorService: signatures', () => {
  it.each<[what: string, change: () => Promise<object> | object]>([
    ['of random bytes', () => ({ signature: text(Buffer.concat([Buffer.of(0), randomBytes(255)])) })],
    ['of zeros', () => ({ signature: text(Buffer.alloc(256)) })],
    ['beyond the modulus', () => ({ signature: text(Buffer.alloc(256, 0xff)) })],
    ['altered at its start', () => ({ signature: flipped(valid.signature, 0) })],
    ['altered at its end', () => ({ signature: flipped(valid.signature, 255) })],
    ['of a token with another nonce', () => ({ token: flipped(valid.token, 2) })],
    ['of another token', async () => ({ signature: (await anonymizer.mint()).signature })],
    ['by a key of an attacker', () => ({ signature: signed(bytesOf(valid.token), attackerKey) })],
  ])('refuses a signature %s with 401, and does not spend the token', async (_what, change) => {
    const answer = await anonymizer.redeem({ ...valid, ...(await change()) });
    expect(answer).toMatchObject({ status: 401, code: 'invalid_signature' });
    expect(answer.headers.get('www-authenticate')).toMatch(/^PrivateToken challenge="/);
    expect(await anonymizer.redis.keys('spent:*')).toEqual([]);
    expect(await anonymizer.rows()).toEqual([]);
  });
});

describe('TokenInspectorService: fingerprints', () => {
  it('computes the same fingerprint for the same token and public_key, and a random one without a public_key', async () => {
    const inspector = anonymizer.service.app.get(TokenInspectorService, { strict: false });
    const common = { token: bytesOf(valid.token), signature: bytesOf(valid.signature), location: valid.location };
    const of = async (publicKey?: Buffer<ArrayBuffer>) =>
      (await inspector.inspect({ ...common, publicKey, dnsBlocking: 'none' })).fingerprint;
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(await of(first)).toBe(await of(first));
    expect(new Set([await of(first), await of(second), await of(), await of()]).size).toBe(4);
  });
});

describe('TokenInspectorService: keys', () => {
  const refusedFor = async (keyId: Buffer) => {
    const token = tokenFor(ours, keyId);
    return anonymizer.redeem({ ...valid, token: text(token), signature: signed(token, attackerKey) });
  };

  it('refuses an unknown key with 401 while the directory is up to date', async () => {
    const answer = await refusedFor(randomBytes(32));
    expect(answer).toMatchObject({ status: 401, code: 'unknown_key' });
    expect(answer.headers.get('www-authenticate')).toContain('token-key="');
  });

  it('answers 503 for an unknown key while the issuer is down, because it may be valid; known keys still work', async () => {
    // Without an issuer, a verifier still has the keys that are stored in its database.
    const cutOff = await anonymizer.addCutOff();
    const token = tokenFor(ours, randomBytes(32));
    const unknown = await redeemAt(cutOff.url, { ...valid, token: text(token), signature: signed(token, attackerKey) });
    expect(unknown).toMatchObject({ status: 503, code: 'unavailable' });
    expect(unknown.headers.get('retry-after')).toBe('5');
    const known = await redeemAt(cutOff.url, { ...valid, signature: flipped(valid.signature, 9) });
    expect(known).toMatchObject({ status: 401, code: 'invalid_signature' });
  });

  it('refuses a key that the operator has denied at once, and accepts its replacement', async () => {
    const { keyId } = anonymizer.issuer.signingKey();
    await verifier.deny(keyId);
    expect(await anonymizer.redeem(valid)).toMatchObject({ status: 401, code: 'token_expired' });
    await anonymizer.issuer.retire(keyId);
    expect((await anonymizer.connect(await anonymizer.request())).status).toBe(200);
  });

  it('refuses a key that the issuer has retired after the next read of the directory', async () => {
    expect((await anonymizer.redeem({ ...valid, signature: flipped(valid.signature, 9) })).code).toBe(
      'invalid_signature',
    );
    await anonymizer.issuer.retire(anonymizer.issuer.signingKey().keyId);
    await verifier.poll();
    expect(await anonymizer.redeem(valid)).toMatchObject({ status: 401, code: 'token_expired' });
  });

  // Last, because while the clock is ahead, maintenance may erase the key that signs today.
  it('accepts a key until the last millisecond before it expires', async () => {
    const { verifyUntil } = anonymizer.issuer.signingKey();
    anonymizer.clock.set(new Date(verifyUntil.getTime() - 1));
    expect((await anonymizer.redeem({ ...valid, signature: flipped(valid.signature, 9) })).code).toBe(
      'invalid_signature',
    );
    anonymizer.clock.set(verifyUntil);
    expect(await anonymizer.redeem(valid)).toMatchObject({ status: 401, code: 'token_expired' });
    anonymizer.clock.set(start);
    expect((await anonymizer.connect(valid)).status).toBe(200);
  });
});
