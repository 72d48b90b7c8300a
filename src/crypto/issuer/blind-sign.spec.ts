import { constants, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { RSABSSA } from '@cloudflare/blindrsa-ts';
import { describe, expect, it } from 'vitest';
import { rfc9474 } from '../../../test/vectors/rfc9474.js';
import { rfc9578 } from '../../../test/vectors/rfc9578.js';
import { rsaKeyFromPrimes } from '../../../test/vectors/rsa-key.js';
import { buildTokenChallenge, challengeDigest } from '../token-challenge.js';
import { encodeTokenKey, keyIdOf, truncatedKeyId } from '../token-key.js';
import { parseTokenInput, parseTokenRequest, splitToken } from '../token.js';
import { verifyMessage, verifyToken } from '../verifier/token-verifier.js';
import { blindSign, BlindSignError, type BlindSigner, refusalOf } from './blind-sign.js';

function signerOf(privateKey: KeyObject): BlindSigner {
  const publicKey = createPublicKey(privateKey);
  return { privateKey, publicKey, modulus: Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url') };
}

const fromHex = (text: string) => Buffer.from(text, 'hex');
const signer = signerOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);

/** Encodes a number with the length of a modulus. */
function number(value: bigint, bytes = 256): Buffer {
  return fromHex(value.toString(16).padStart(2 * bytes, '0'));
}

const n = BigInt(`0x${signer.modulus.toString('hex')}`);

describe('blindSign', () => {
  it('produces the signature of RFC 9474, Appendix A.3', () => {
    const key = signerOf(rsaKeyFromPrimes(rfc9474));
    expect(blindSign(key, fromHex(rfc9474.blindedMsg)).toString('hex')).toBe(rfc9474.blindSig);
    expect(verifyMessage(key.publicKey, fromHex(rfc9474.msg), fromHex(rfc9474.sig))).toBe(true);
  });

  describe.each(rfc9578.vectors.map((vector, index) => [index + 1, vector] as const))(
    'RFC 9578, Appendix B.2, vector %i',
    (_index, vector) => {
      const privateKey = rsaKeyFromPrimes(rfc9578);
      const key = signerOf(privateKey);

      it('derives the key ids that the request and the token contain', () => {
        const keyId = keyIdOf(encodeTokenKey(privateKey));
        expect(parseTokenRequest(fromHex(vector.tokenRequest))?.truncatedKeyId).toBe(truncatedKeyId(keyId));
        expect(parseTokenInput(fromHex(vector.token).subarray(0, 98))?.keyId).toEqual(keyId);
      });

      it('signs its request', () => {
        const request = parseTokenRequest(fromHex(vector.tokenRequest));
        expect(blindSign(key, request?.blindedMessage ?? Buffer.alloc(0)).toString('hex')).toBe(vector.tokenResponse);
      });

      it('builds its challenge and verifies its token', () => {
        const { issuerName, originInfo, redemptionContext, tokenChallenge } = vector;
        const challenge = buildTokenChallenge({
          issuerName,
          originInfo,
          redemptionContext: fromHex(redemptionContext),
        });
        expect(challenge.toString('hex')).toBe(tokenChallenge);
        const parts = splitToken(fromHex(vector.token));
        if (parts === undefined) throw new Error('the vector is not a Token');
        expect(parseTokenInput(parts.token)?.challengeDigest).toEqual(challengeDigest(challenge));
        expect(verifyToken(key.publicKey, parts.token, parts.signature)).toBe(true);
      });
    },
  );

  it('signs what another implementation has blinded', async () => {
    const suite = RSABSSA.SHA384.PSS.Deterministic();
    const spki = new Uint8Array(signer.publicKey.export({ format: 'der', type: 'spki' }));
    const publicKey = await crypto.subtle.importKey('spki', spki, { name: 'RSA-PSS', hash: 'SHA-384' }, true, [
      'verify',
    ]);
    const message = randomBytes(98);
    const { blindedMsg, inv } = await suite.blind(publicKey, new Uint8Array(message));
    const blindSignature = blindSign(signer, Buffer.from(blindedMsg));
    const signature = await suite.finalize(publicKey, new Uint8Array(message), new Uint8Array(blindSignature), inv);
    expect(verifyToken(signer.publicKey, message, Buffer.from(signature))).toBe(true);
  });

  it('signs every number from 2 to n - 2 deterministically', () => {
    for (const value of [2n, 3n, n / 2n, n - 3n, n - 2n]) {
      const signature = blindSign(signer, number(value));
      expect(signature).toHaveLength(256);
      expect(blindSign(signer, number(value))).toEqual(signature);
    }
  });

  it.each([
    ['0', 0n],
    ['1', 1n],
    ['n - 1', n - 1n],
    ['n', n],
    ['n + 1', n + 1n],
    ['the largest number of that length', 2n ** 2048n - 1n],
  ])('refuses %s', (_name, value) => {
    expect(refusalOf(signer.modulus, number(value))).toBe('out_of_range');
    expect(() => blindSign(signer, number(value))).toThrow(new BlindSignError('out_of_range'));
  });

  it.each([0, 1, 255, 257, 512])('refuses %i bytes', (length) => {
    expect(() => blindSign(signer, randomBytes(length))).toThrow(new BlindSignError('wrong_length'));
  });

  it('throws without a signature when its own check of the signature fails', () => {
    const jwk = { ...signer.publicKey.export({ format: 'jwk' }), e: 'Aw' };
    const faulty = { ...signer, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) };
    expect(() => blindSign(faulty, number(2n))).toThrow(new BlindSignError('signing_failure'));
  });
});

describe('verifyToken', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const token = randomBytes(98);
  const signWith = (saltLength: number, hash: string) =>
    sign(hash, token, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

  it('accepts SHA-384 with a salt of 48 bytes, and nothing else', () => {
    expect(verifyToken(publicKey, token, signWith(48, 'sha384'))).toBe(true);
    expect(verifyToken(publicKey, token, signWith(0, 'sha384'))).toBe(false);
    expect(verifyToken(publicKey, token, signWith(47, 'sha384'))).toBe(false);
    expect(verifyToken(publicKey, token, signWith(48, 'sha256'))).toBe(false);
    expect(verifyToken(signer.publicKey, token, signWith(48, 'sha384'))).toBe(false);
  });

  it('returns false and never throws for invalid signatures', () => {
    const good = signWith(48, 'sha384');
    const all = [Buffer.alloc(256), Buffer.alloc(256, 0xff), number(n), number(1n), good.subarray(1), Buffer.alloc(0)];
    for (const bad of [...all, Buffer.concat([good, Buffer.of(0)])])
      expect(verifyToken(publicKey, token, bad)).toBe(false);
    for (const index of [0, 127, 255]) {
      const altered = Buffer.from(good);
      altered.writeUInt8(altered.readUInt8(index) ^ 1, index);
      expect(verifyToken(publicKey, token, altered)).toBe(false);
    }
    for (const index of [0, 2, 97]) {
      const altered = Buffer.from(token);
      altered.writeUInt8(altered.readUInt8(index) ^ 1, index);
      expect(verifyToken(publicKey, altered, good)).toBe(false);
    }
    expect(verifyToken(publicKey, token.subarray(1), good)).toBe(false);
  });
});
