import { describe, expect, it } from 'vitest';
import {
  buildTokenChallenge,
  challengeDigestOf,
  finalize,
  keyIdOf,
  parseTokenChallenge,
  parseTokenKey,
} from '@vpn-backend/client';
import { blindMessage, blindMessages, verifySignature } from '../../packages/client/src/blind-rsa.js';
import { fromBigInt, fromHex, toBigInt, toHex } from '../../packages/client/src/bytes.js';
import { buildTokenInput } from '../../packages/client/src/token.js';
import { rfc9578 } from '../vectors/rfc9578.js';

/* The test vectors of RFC 9578, Appendix B.2, with the SDK. */

const n = BigInt(`0x${rfc9578.p}`) * BigInt(`0x${rfc9578.q}`);
const spki = fromHex(
  `30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b06096086480165` +
    `03040202a2030201300382010f003082010a0282010100${toHex(fromBigInt(n, 256))}0203010001`,
);

type Vector = (typeof rfc9578.vectors)[number];

const randomnessOf = ({ salt, blind }: Vector) => ({ salt: fromHex(salt), r: toBigInt(fromHex(blind)) });

/** The token_input that the SDK makes from the vector's nonce, challenge and key. */
async function tokenInputOf({ nonce, tokenChallenge }: Vector) {
  const { keyId } = await parseTokenKey(spki);
  return buildTokenInput(fromHex(nonce), await challengeDigestOf(fromHex(tokenChallenge)), keyId);
}

describe.each(rfc9578.vectors.map((vector, index) => [index + 1, vector] as const))(
  'the SDK, with vector %i of RFC 9578',
  (_, vector) => {
    it('computes the same key id', async () => {
      const { keyId } = await parseTokenKey(spki);
      expect(toHex(await keyIdOf(spki))).toBe(toHex(keyId));
      expect(fromHex(vector.tokenRequest)[2]).toBe(keyId.at(-1));
    });

    it('blinds the token, and finalizes it to the same signed token', async () => {
      const [key, input] = [await parseTokenKey(spki), await tokenInputOf(vector)];
      const { blindedMessage, inverse } = await blindMessage(key, input, randomnessOf(vector));
      expect(toHex(blindedMessage)).toBe(vector.tokenRequest.slice(6));
      const blinded = { key, token: input, blindedToken: blindedMessage, inverse };
      const signature = await finalize(blinded, fromHex(vector.tokenResponse));
      expect(toHex(input) + toHex(signature)).toBe(vector.token);
    });

    it('accepts the token, and refuses a changed one', async () => {
      const [key, token] = [await parseTokenKey(spki), fromHex(vector.token)];
      expect(await verifySignature(key, token.slice(0, 98), token.slice(98))).toBe(true);
      token[2] = (token[2] ?? 0) ^ 1;
      expect(await verifySignature(key, token.slice(0, 98), token.slice(98))).toBe(false);
    });

    it('parses the challenge, or refuses it when it has a redemption context', () => {
      const { issuerName, originInfo } = vector;
      const challenge = fromHex(vector.tokenChallenge);
      if (vector.redemptionContext === '') {
        expect(parseTokenChallenge(challenge)).toEqual({ issuerName, originInfo });
        expect(toHex(buildTokenChallenge({ issuerName, originInfo }))).toBe(vector.tokenChallenge);
      } else {
        expect(() => parseTokenChallenge(challenge)).toThrow(expect.objectContaining({ code: 'invalid_challenge' }));
      }
    });
  },
);

describe('the SDK, with all vectors of RFC 9578 as one batch', () => {
  it('blinds them as it does one by one', async () => {
    const inputs = await Promise.all(rfc9578.vectors.map(tokenInputOf));
    const blinded = await blindMessages(await parseTokenKey(spki), inputs, rfc9578.vectors.map(randomnessOf));
    expect(blinded.map(({ blindedMessage }) => toHex(blindedMessage))).toEqual(
      rfc9578.vectors.map(({ tokenRequest }) => tokenRequest.slice(6)),
    );
  });
});
