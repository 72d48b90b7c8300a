import { z } from 'zod';
import { base64urlBytes, signatureBytes } from '../../crypto/index.js';

export const tokenRequestType = 'application/private-token-request';
export const tokenResponseType = 'application/private-token-response';

/** Per request: enough for an app that prefetches tokens. */
const maxBlindedTokens = 32;

const exampleElement = Buffer.alloc(signatureBytes, 0x5a).toString('base64url');
const exampleKeyId = Buffer.alloc(32, 0xa5).toString('base64url');

const blindedToken = base64urlBytes(signatureBytes).describe(
  'A blinded token (RFC 9474, Blind): 256 bytes, base64url without padding.',
);

/** Either `blindedToken` or `blindedTokens`. */
export const vpnTokenRequest = z
  .strictObject({
    blindedToken: blindedToken.optional(),
    blindedTokens: z
      .array(blindedToken)
      .min(1)
      .max(maxBlindedTokens)
      .optional()
      .describe('A batch of blinded tokens: all are signed or none.'),
    keyId: base64urlBytes(32)
      .optional()
      .describe('Id of the key that the tokens were blinded for, from the issuer directory. Default: the current key.'),
  })
  .refine(({ blindedToken, blindedTokens }) => (blindedToken === undefined) !== (blindedTokens === undefined), {
    error: 'expected either blindedToken or blindedTokens',
    path: ['blindedToken'],
  });

const common = {
  keyId: z.string().describe('Id of the key that signed: 32 bytes, base64url.'),
  expiry: z.literal('24h').describe('A token is valid for at least this long.'),
  expiresAt: z.iso.datetime().describe('When all tokens of this key expire; the same for every user.'),
};

const signature = z.string().describe('The blind signature: 256 bytes, base64url without padding.');

const exampleCommon = { keyId: exampleKeyId, expiry: '24h', expiresAt: '2030-01-03T00:10:00.000Z' } as const;

export const vpnTokenResponse = z.union([
  z
    .strictObject({ signature, ...common })
    .describe('The response to `blindedToken`.')
    .meta({ examples: [{ signature: exampleElement, ...exampleCommon }] }),
  z
    .strictObject({ signatures: z.array(signature).describe('In the order of the request.'), ...common })
    .describe('The response to `blindedTokens`.')
    .meta({ examples: [{ signatures: [exampleElement], ...exampleCommon }] }),
]);

export const binaryTokenRequest = {
  mediaType: tokenRequestType,
  bytes: 3 + signatureBytes,
  description: 'A TokenRequest: type 0x0002, the last byte of the key id, the blinded message (RFC 9578 §6.1).',
};

export const binaryTokenResponse = {
  mediaType: tokenResponseType,
  bytes: signatureBytes,
  description: 'A TokenResponse: the blind signature (RFC 9578 §6.2).',
};

export type VpnTokenRequest = z.output<typeof vpnTokenRequest>;
export type VpnTokenResponse = z.input<typeof vpnTokenResponse>;
