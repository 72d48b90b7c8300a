import { type KeyObject } from 'node:crypto';
import { jwtVerify } from 'jose';

/** An API key of App Store Connect, and the app that it is for. */
export interface ApiKey {
  readonly keyId: string;
  readonly issuerId: string;
  readonly bundleId: string;
  readonly publicKey: KeyObject;
}

/** "The token's expiration … more than 60 minutes into the future aren't valid." */
const maxLifetimeSeconds = 3600;

/**
 * Verifies the bearer token of a request.
 * https://developer.apple.com/documentation/appstoreserverapi/generating-json-web-tokens-for-api-requests
 */
export async function isAuthorized(authorization: string | undefined, key: ApiKey): Promise<boolean> {
  const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1];
  if (token === undefined) return false;
  try {
    const { payload, protectedHeader } = await jwtVerify(token, key.publicKey, {
      algorithms: ['ES256'],
      audience: 'appstoreconnect-v1',
      issuer: key.issuerId,
      requiredClaims: ['exp', 'iat'],
    });
    const lifetime = (payload.exp ?? Infinity) - (payload.iat ?? 0);
    return protectedHeader.kid === key.keyId && payload['bid'] === key.bundleId && lifetime <= maxLifetimeSeconds;
  } catch {
    return false;
  }
}
