import { createHash } from 'node:crypto';
import { z } from 'zod';
import { decodeBase64url, encodePaddedBase64url } from './base64url.js';
import { graceMs } from './epoch.js';
import { parseTokenChallenge } from './token-challenge.js';
import { parseTokenKey } from './token-key.js';
import { blindRsa } from './token.js';

/**
 * The issuer's key directory (RFC 9578 §4). Both sides publish it: a client that reads it from both and finds a difference may
 * have been given a key of its own, by which its tokens could be recognised. So both sides render it with this code, byte for
 * byte the same, each from its own database.
 *
 * Retired keys are listed too, apart from the keys that clients may use. The anonymizer must see an explicit retirement and
 * never conclude it from a missing key: a cached copy, a replica that lags a second behind or an issuer restored from a backup
 * also lack keys. To act on that would invalidate good tokens forever.
 */
export interface DirectoryKey {
  readonly keyId: Buffer;
  /** 342 bytes of DER. */
  readonly spki: Buffer;
  /** From this time on, clients use the key. */
  readonly notBefore: Date;
  readonly signUntil: Date;
  readonly verifyUntil: Date;
  /** The operator has retired it. */
  readonly retired: boolean;
}

export const directoryPath = '/.well-known/private-token-issuer-directory';
export const directoryMediaType = 'application/private-token-issuer-directory';

/** Limits the size of a directory that we accept. On an ordinary day it has four or five keys. */
const maxKeys = 64;
/** Maximum from a key's `notBefore` to its `verifyUntil`: its epoch, 10 minutes and the grace period, with a margin. */
const maxLifetimeMs = 2 * graceMs + 3_600_000;

const seconds = z.int().min(0).max(0xffffffff);

const tokenKey = z.object({
  'token-type': z.literal(blindRsa),
  'token-key': z.string().max(600),
  'not-before': seconds.describe('Clients use this key from this time on; Unix seconds.'),
  'not-after': seconds.describe('The key signs tokens until this time; Unix seconds.'),
  'verify-until': seconds.describe('Tokens signed by this key are accepted until this time; Unix seconds.'),
});

const otherKeyType = z.object({ 'token-type': z.int().refine((type) => type !== blindRsa) });

/** Schema for reading a directory. Unknown members and token types are ignored (RFC 9578 §4). */
const directorySchema = z.object({
  'issuer-request-uri': z.string().max(2048).describe('Path at which the issuer signs tokens, relative to the issuer.'),
  'token-challenge': z.string().max(2048).describe('The TokenChallenge that tokens must answer, base64url.'),
  'token-keys': z.array(z.union([tokenKey, otherKeyType])).max(maxKeys),
  'retired-keys': z
    .array(z.union([tokenKey, otherKeyType]))
    .max(maxKeys)
    .default([]),
});

export type DirectoryDocument = z.output<typeof directorySchema>;

/** Schema of the directory that we publish, for the API reference. */
export const publishedDirectorySchema = z.strictObject({
  ...directorySchema.shape,
  'token-keys': z
    .array(tokenKey)
    .describe('Keys that clients may use, newest first, including the key of the next day.'),
  'retired-keys': z.array(tokenKey).describe('Keys that the operator has retired. Their tokens are not accepted.'),
});

/** Renders the directory, newest key first, without keys whose tokens have all expired. */
export function renderDirectory(keys: readonly DirectoryKey[], challenge: Uint8Array, now: Date): string {
  const listed = keys.filter((key) => key.verifyUntil > now).toSorted(newestFirst);
  return JSON.stringify({
    'issuer-request-uri': '/auth/vpn-token',
    'token-challenge': encodePaddedBase64url(challenge),
    'token-keys': listed.filter((key) => !key.retired).map(renderKey),
    'retired-keys': listed.filter((key) => key.retired).map(renderKey),
  });
}

/** A strong entity tag (RFC 9110 §8.8.3). */
export function entityTagOf(body: string): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
}

export class DirectoryError extends Error {
  constructor(reason: string) {
    super(`The issuer's directory cannot be used: ${reason}`);
    this.name = 'DirectoryError';
  }
}

/**
 * Parses a directory from another process. All or nothing: one error anywhere rejects the whole document. Key ids are computed
 * from the keys, never taken from the document.
 *
 * @throws {DirectoryError}
 */
export function parseDirectory(document: unknown): { keys: DirectoryKey[]; challenge: Buffer } {
  const parsed = directorySchema.safeParse(document);
  if (!parsed.success) throw new DirectoryError('it does not have the expected format');
  const challenge = decodeBase64url(parsed.data['token-challenge']);
  if (challenge === undefined || parseTokenChallenge(challenge) === undefined) {
    throw new DirectoryError('token-challenge is not a valid TokenChallenge');
  }
  const read = (entries: DirectoryDocument['token-keys'], retired: boolean) =>
    entries.filter((entry) => 'token-key' in entry).map((entry) => parseKey(entry, retired));
  const keys = [...read(parsed.data['token-keys'], false), ...read(parsed.data['retired-keys'], true)];
  if (keys.every((key) => key.retired)) throw new DirectoryError('it lists no usable key');
  if (new Set(keys.map((key) => key.keyId.toString('hex'))).size !== keys.length) {
    throw new DirectoryError('it lists a key twice');
  }
  return { keys, challenge };
}

function parseKey(entry: z.output<typeof tokenKey>, retired: boolean): DirectoryKey {
  const spki = decodeBase64url(entry['token-key']);
  const key = spki === undefined ? undefined : parseTokenKey(spki);
  if (key === undefined)
    throw new DirectoryError('a token-key is not RSA-2048 with e = 65537 and RSASSA-PSS parameters');
  const [notBefore, signUntil, verifyUntil] = [entry['not-before'], entry['not-after'], entry['verify-until']].map(
    (second) => new Date(second * 1000),
  ) as [Date, Date, Date];
  const lifetimeMs = verifyUntil.getTime() - notBefore.getTime();
  if (notBefore >= signUntil || signUntil > verifyUntil || lifetimeMs > maxLifetimeMs) {
    throw new DirectoryError('the times of a key are inconsistent');
  }
  return { keyId: key.keyId, spki: key.spki, notBefore, signUntil, verifyUntil, retired };
}

function renderKey(key: DirectoryKey): z.input<typeof tokenKey> {
  return {
    'token-type': blindRsa,
    'token-key': encodePaddedBase64url(key.spki),
    'not-before': unixSeconds(key.notBefore),
    'not-after': unixSeconds(key.signUntil),
    'verify-until': unixSeconds(key.verifyUntil),
  };
}

function unixSeconds(at: Date): number {
  return Math.floor(at.getTime() / 1000);
}

function newestFirst(a: DirectoryKey, b: DirectoryKey): number {
  return b.notBefore.getTime() - a.notBefore.getTime() || a.keyId.compare(b.keyId);
}
