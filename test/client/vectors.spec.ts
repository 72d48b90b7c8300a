import { describe, expect, it } from 'vitest';
import {
  type BlindedToken,
  buildTokenChallenge,
  challengeDigestOf,
  finalize,
  keyIdOf,
  parseTokenChallenge,
  parseTokenKey,
} from '@vpn-backend/client';
import { inverseModulo, verifySignature } from '../../packages/client/src/blind-rsa.js';
import { fromBigInt, fromHex, toBigInt, toHex } from '../../packages/client/src/bytes.js';
import { buildTokenInput } from '../../packages/client/src/token.js';
import { rfc9578 } from '../vectors/rfc9578.js';

/* RFC 9578, Appendix B.2, through the SDK. What was random in it follows from what it prints. */

const n = BigInt(`0x${rfc9578.p}`) * BigInt(`0x${rfc9578.q}`);
const spki = fromHex(
  `30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d010108300b06096086480165` +
    `03040202a2030201300382010f003082010a0282010100${toHex(fromBigInt(n, 256))}0203010001`,
);

describe.each(rfc9578.vectors.map((vector, index) => [index + 1, vector] as const))(
  'RFC 9578, vector %i',
  (_, vector) => {
    const [token, request] = [fromHex(vector.token), fromHex(vector.tokenRequest)];
    const [tokenInput, signature] = [token.slice(0, 98), token.slice(98)];
    const blindSignature = fromHex(vector.tokenResponse);

    it('names the key and the challenge as the SDK does', async () => {
      const key = await parseTokenKey(spki);
      const digest = await challengeDigestOf(fromHex(vector.tokenChallenge));
      expect(toHex(buildTokenInput(tokenInput.slice(2, 34), digest, key.keyId))).toBe(toHex(tokenInput));
      expect(toHex(await keyIdOf(spki))).toBe(toHex(key.keyId));
      expect(request[2]).toBe(key.keyId.at(-1));
    });

    it('is a token that the SDK verifies, and finalizes from the response', async () => {
      const key = await parseTokenKey(spki);
      expect(await verifySignature(key, tokenInput, signature)).toBe(true);
      const inverse = (toBigInt(signature) * (inverseModulo(toBigInt(blindSignature), n) ?? 0n)) % n;
      const blinded: BlindedToken = { key, token: tokenInput, blindedToken: request.slice(3), inverse };
      expect(toHex(await finalize(blinded, blindSignature))).toBe(toHex(signature));
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
