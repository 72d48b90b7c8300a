import { decodeBase64url, encodePaddedBase64url, splitToken } from '../crypto/index.js';

/**
 * `Authorization: PrivateToken token=…` (RFC 9577 §2.2): the 354-byte Token in base64url, quoted or not, other parameters
 * ignored. Undefined when the header has another scheme, "malformed" when it has this one and no such token.
 */
export function tokenOfAuthorization(
  header: string | undefined,
): { token: Buffer; signature: Buffer } | 'malformed' | undefined {
  const parameters = /^privatetoken(?: (.*))?$/is.exec(header?.trim() ?? '');
  if (parameters === null) return undefined;
  const [, , text] = /(?:^|[ ,])token *= *("?)([A-Za-z0-9_-]+=*)\1(?= *(?:,|$))/i.exec(parameters[1] ?? '') ?? [];
  const bytes = text === undefined ? undefined : decodeBase64url(text);
  return (bytes && splitToken(bytes)) ?? 'malformed';
}

/** `WWW-Authenticate` (RFC 9577 §2.1): what a token must answer, and the key it must be signed by. */
export function challengeHeader(challenge: Uint8Array, tokenKey: Uint8Array | undefined): string {
  const key = tokenKey === undefined ? '' : `, token-key="${encodePaddedBase64url(tokenKey)}"`;
  return `PrivateToken challenge="${encodePaddedBase64url(challenge)}"${key}`;
}
