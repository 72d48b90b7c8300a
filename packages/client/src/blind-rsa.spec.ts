import { RSABSSA } from '@cloudflare/blindrsa-ts';
import { type webcrypto } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { vector } from '../test/rfc9474-vector.js';
import { blindMessage, finalizeSignature, inverseModulo, type RsaPublicKey } from './blind-rsa.js';
import { fromBase64url, fromBigInt, fromHex, randomBytes, toBigInt, toHex } from './bytes.js';
import { emsaPssEncode } from './emsa-pss.js';

const suite = RSABSSA.SHA384.PSS.Deterministic();

function generatePair(): Promise<webcrypto.CryptoKeyPair> {
  const publicExponent = Uint8Array.of(1, 0, 1);
  const algorithm = { name: 'RSA-PSS', hash: 'SHA-384', modulusLength: 2048, publicExponent };
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

describe('RFC 9474, Appendix A.3', () => {
  const bytes = (name: string) => fromHex(vector[name] ?? '');
  const key: RsaPublicKey = { n: toBigInt(bytes('n')), e: toBigInt(bytes('e')) };
  const inverse = toBigInt(bytes('inv'));

  it('encodes the message', async () => {
    const encoded = await emsaPssEncode(bytes('msg'), 4095, bytes('salt'));
    expect(toHex(encoded)).toBe(vector['encoded_msg']);
  });

  it('blinds the message', async () => {
    const r = inverseModulo(inverse, key.n) ?? 0n;
    const blinded = await blindMessage(key, bytes('msg'), { salt: bytes('salt'), r });
    expect(toHex(blinded.blindedMessage)).toBe(vector['blinded_msg']);
    expect(blinded.inverse).toBe(inverse);
  });

  it('finalizes the signature', async () => {
    const signature = await finalizeSignature(key, bytes('msg'), bytes('blind_sig'), inverse);
    expect(toHex(signature)).toBe(vector['sig']);
  });
});

describe('with another implementation as the issuer', () => {
  const message = randomBytes(98);
  let pair: webcrypto.CryptoKeyPair;
  let key: RsaPublicKey;

  beforeAll(async () => {
    pair = await generatePair();
    const { n = '', e = '' } = await crypto.subtle.exportKey('jwk', pair.publicKey);
    key = { n: toBigInt(fromBase64url(n)!), e: toBigInt(fromBase64url(e)!) };
  });

  it('obtains a signature that the other one verifies', async () => {
    const { blindedMessage, inverse } = await blindMessage(key, message);
    const blindSignature = await suite.blindSign(pair.privateKey, blindedMessage);
    const signature = await finalizeSignature(key, message, blindSignature, inverse);
    expect(await suite.verify(pair.publicKey, signature, message)).toBe(true);
  });

  it('finalizes what the other one blinded, and the reverse', async () => {
    const theirs = await suite.blind(pair.publicKey, message);
    const signed = await suite.blindSign(pair.privateKey, theirs.blindedMsg);
    const finalizedHere = await finalizeSignature(key, message, signed, toBigInt(theirs.inv));

    const ours = await blindMessage(key, message);
    const signedOurs = await suite.blindSign(pair.privateKey, ours.blindedMessage);
    const finalizedThere = await suite.finalize(pair.publicKey, message, signedOurs, fromBigInt(ours.inverse, 256));

    expect(await suite.verify(pair.publicKey, finalizedHere, message)).toBe(true);
    expect(await suite.verify(pair.publicKey, finalizedThere, message)).toBe(true);
  });

  it('never blinds a message to the same bytes twice', async () => {
    const blinded = await Promise.all([1, 2, 3].map(() => blindMessage(key, message)));
    expect(new Set(blinded.map(({ blindedMessage }) => toHex(blindedMessage))).size).toBe(3);
  });

  it('refuses a signature by another key', async () => {
    const other = await generatePair();
    const { blindedMessage, inverse } = await blindMessage(key, message);
    // Smaller than the other modulus as well, or that key could not sign it.
    const signed = await suite.blindSign(other.privateKey, fromBigInt(toBigInt(blindedMessage) >> 1n, 256));
    await expect(finalizeSignature(key, message, signed, inverse)).rejects.toMatchObject({
      code: 'invalid_blind_signature',
    });
  });

  it.each([
    ['short', (signed: Uint8Array) => signed.slice(1)],
    ['long', (signed: Uint8Array) => Uint8Array.of(0, ...signed)],
    ['empty', () => new Uint8Array(0)],
    ['zero', () => new Uint8Array(256)],
    ['altered', (signed: Uint8Array) => signed.map((byte, index) => (index === 100 ? byte ^ 1 : byte))],
  ])('refuses a signature that is %s', async (_, spoil) => {
    const { blindedMessage, inverse } = await blindMessage(key, message);
    const signed = await suite.blindSign(pair.privateKey, blindedMessage);
    await expect(finalizeSignature(key, message, spoil(signed), inverse)).rejects.toMatchObject({
      code: 'invalid_blind_signature',
    });
  });
});
