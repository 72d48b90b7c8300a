import { RSABSSA } from '@cloudflare/blindrsa-ts';
import { beforeAll, describe, expect, it } from 'vitest';
import { TestIssuer } from '../test/issuer.js';
import { vector } from '../test/rfc9474-vector.js';
import {
  blindMessage,
  blindMessages,
  finalizeSignature,
  inverseModulo,
  type RsaPublicKey,
  verifySignature,
} from './blind-rsa.js';
import { fromBigInt, fromHex, randomBytes, toBigInt, toHex } from './bytes.js';
import { emsaPssEncode } from './emsa-pss.js';

const suite = RSABSSA.SHA384.PSS.Deterministic();

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

describe('blind RSA signatures, with @cloudflare/blindrsa-ts', () => {
  const message = randomBytes(98);
  const issuer = new TestIssuer();
  const key: RsaPublicKey = { n: toBigInt(issuer.modulus), e: 65537n };
  let publicKey: CryptoKey;

  beforeAll(async () => {
    publicKey = await issuer.publicKey();
  });

  it('obtains a signature that the other implementation verifies', async () => {
    const { blindedMessage, inverse } = await blindMessage(key, message);
    const signature = await finalizeSignature(key, message, issuer.sign(blindedMessage), inverse);
    expect(await suite.verify(publicKey, signature, message)).toBe(true);
  });

  it('finalizes a message that the other implementation blinded', async () => {
    const { blindedMsg, inv } = await suite.blind(publicKey, message);
    const signature = await finalizeSignature(key, message, issuer.sign(blindedMsg), toBigInt(inv));
    expect(await suite.verify(publicKey, signature, message)).toBe(true);
  });

  it('blinds a message that the other implementation finalizes', async () => {
    const { blindedMessage, inverse } = await blindMessage(key, message);
    const signed = issuer.sign(blindedMessage);
    const signature = new Uint8Array(await suite.finalize(publicKey, message, signed, fromBigInt(inverse, 256)));
    expect(await verifySignature(key, message, signature)).toBe(true);
  });

  it('obtains a signature for each message of a batch', async () => {
    const messages = Array.from({ length: 5 }, () => randomBytes(98));
    const blinded = await blindMessages(key, messages);
    const signatures = await Promise.all(
      blinded.map(({ blindedMessage, inverse }, index) =>
        finalizeSignature(key, messages[index]!, issuer.sign(blindedMessage), inverse),
      ),
    );
    for (const [index, signature] of signatures.entries()) {
      expect(await suite.verify(publicKey, signature, messages[index]!)).toBe(true);
    }
    expect(await blindMessages(key, [])).toEqual([]);
  });

  it('never blinds a message to the same bytes twice, neither in one batch nor in several', async () => {
    const batch = await blindMessages(key, [message, message]);
    const all = [...batch, await blindMessage(key, message), await blindMessage(key, message)];
    expect(new Set(all.map(({ blindedMessage }) => toHex(blindedMessage))).size).toBe(4);
  });

  it('refuses to blind a message that shares a factor with the modulus', async () => {
    const r = 3n;
    await expect(blindMessage({ n: 15n << 2040n, e: 65537n }, message, { salt: randomBytes(48), r })).rejects.toThrow(
      RangeError,
    );
  });

  it('refuses a signature by another key', async () => {
    const other = new TestIssuer();
    const { blindedMessage, inverse } = await blindMessage(key, message);
    // It must be smaller than the other modulus too, or the other key could not sign it.
    const signed = other.sign(fromBigInt(toBigInt(blindedMessage) >> 1n, 256));
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
  ])('refuses a signature that is %s', async (_, corrupt) => {
    const { blindedMessage, inverse } = await blindMessage(key, message);
    await expect(
      finalizeSignature(key, message, new Uint8Array(corrupt(issuer.sign(blindedMessage))), inverse),
    ).rejects.toMatchObject({
      code: 'invalid_blind_signature',
    });
  });
});
