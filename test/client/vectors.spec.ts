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

/* RFC 9578, Appendix B.2, through the SDK. */

const n = BigInt(`0x${rfc9578.p}`) * BigInt(`0x${rfc9578.q}`);
const spki = fromHex(
  `30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b06096086480165` +
    `03040202a2030201300382010f003082010a0282010100${toHex(fromBigInt(n, 256))}0203010001`,
);

type Vector = (typeof rfc9578.vectors)[number];

const randomnessOf = ({ salt, blind }: Vector) => ({ salt: fromHex(salt), r: toBigInt(fromHex(blind)) });

/** The token's input as the SDK makes it from what the client draws and is told. */
async function tokenInputOf({ nonce, tokenChallenge }: Vector) {
  const { keyId } = await parseTokenKey(spki);
  return buildTokenInput(fromHex(nonce), await challengeDigestOf(fromHex(tokenChallenge)), keyId);
}

describe.each(rfc9578.vectors.map((vector, index) => [index + 1, vector] as const))(
  'RFC 9578, vector %i',
  (_, vector) => {
    it('names the key as the SDK does', async () => {
      const { keyId } = await parseTokenKey(spki);
      expect(toHex(await keyIdOf(spki))).toBe(toHex(keyId));
      expect(fromHex(vector.tokenRequest)[2]).toBe(keyId.at(-1));
    });

    it('is blinded, and finalized to its token', async () => {
      const [key, input] = [await parseTokenKey(spki), await tokenInputOf(vector)];
      const { blindedMessage, inverse } = await blindMessage(key, input, randomnessOf(vector));
      expect(toHex(blindedMessage)).toBe(vector.tokenRequest.slice(6));
      const blinded = { key, token: input, blindedToken: blindedMessage, inverse };
      const signature = await finalize(blinded, fromHex(vector.tokenResponse));
      expect(toHex(input) + toHex(signature)).toBe(vector.token);
    });

    it('is a token that the SDK verifies, and no other', async () => {
      const [key, token] = [await parseTokenKey(spki), fromHex(vector.token)];
      expect(await verifySignature(key, token.slice(0, 98), token.slice(98))).toBe(true);
      token[2] = (token[2] ?? 0) ^ 1;
      expect(await verifySignature(key, token.slice(0, 98), token.slice(98))).toBe(false);
    });

    it('has a challenge that the SDK reads, or refuses for its context', () => {
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

describe('RFC 9578, all vectors as one batch', () => {
  it('are blinded as they are one by one', async () => {
    const inputs = await Promise.all(rfc9578.vectors.map(tokenInputOf));
    const blinded = await blindMessages(await parseTokenKey(spki), inputs, rfc9578.vectors.map(randomnessOf));
    expect(blinded.map(({ blindedMessage }) => toHex(blindedMessage))).toEqual(
      rfc9578.vectors.map(({ tokenRequest }) => tokenRequest.slice(6)),
    );
  });
});
