import { toBase64url } from '../src/bytes.js';
import { type IssuerDirectory, parseDirectory } from '../src/directory.js';
import { buildTokenChallenge } from '../src/token.js';
import { type TestIssuer } from './issuer.js';

const hour = 3600;

const challengeText = toBase64url(buildTokenChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' }));

/** A key as the directory lists it, for the UTC day that begins at `notBefore` (Unix seconds). */
export function entryOf({ spki }: TestIssuer, notBefore: number) {
  const notAfter = notBefore + 24 * hour + 600;
  return {
    'token-type': 2,
    'token-key': toBase64url(spki),
    'not-before': notBefore,
    'not-after': notAfter,
    'verify-until': notAfter + 24 * hour,
  };
}

export function documentOf(keys: readonly unknown[], retired: readonly unknown[] = [], challenge = challengeText) {
  return {
    'issuer-request-uri': '/auth/vpn-token',
    'token-challenge': challenge,
    'token-keys': keys,
    'retired-keys': retired,
  };
}

export function directoryOf(...parts: Parameters<typeof documentOf>): Promise<IssuerDirectory> {
  return parseDirectory(documentOf(...parts));
}
