import { decodeBase64url, encodePaddedBase64url, splitToken } from '../crypto/index.js';

/**
 * Parses `Authorization: PrivateToken token=…` (RFC 9577 §2.2): the 354-byte Token in base64url, quoted or not. Other
 * parameters are ignored. Returns undefined for another scheme, and "malformed" for this scheme without a valid token.
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

/** Builds `WWW-Authenticate` (RFC 9577 §2.1): the challenge that a token must answer, and the key that must sign it. */
export function challengeHeader(challenge: Uint8Array, tokenKey: Uint8Array | undefined): string {
  const key = tokenKey === undefined ? '' : `, token-key="${encodePaddedBase64url(tokenKey)}"`;
  return `PrivateToken challenge="${encodePaddedBase64url(challenge)}"${key}`;
}
