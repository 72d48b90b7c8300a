import { type KeyObject } from 'node:crypto';
import { jwtVerify } from 'jose';

/** Who may ask: a key of App Store Connect, and the app it is for. */
export interface Caller {
  readonly keyId: string;
  readonly issuerId: string;
  readonly bundleId: string;
  readonly publicKey: KeyObject;
}

/** "The token's expiration … more than 60 minutes into the future aren't valid." */
const longestSeconds = 3600;

/** https://developer.apple.com/documentation/appstoreserverapi/generating-json-web-tokens-for-api-requests */
export async function isCaller(authorization: string | undefined, caller: Caller): Promise<boolean> {
  const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
  if (token === undefined) return false;
  try {
    const { payload, protectedHeader } = await jwtVerify(token, caller.publicKey, {
      algorithms: ['ES256'],
      audience: 'appstoreconnect-v1',
      issuer: caller.issuerId,
      requiredClaims: ['exp', 'iat'],
    });
    const lives = (payload.exp ?? Infinity) - (payload.iat ?? 0);
    return protectedHeader.kid === caller.keyId && payload['bid'] === caller.bundleId && lives <= longestSeconds;
  } catch {
    return false;
  }
}
