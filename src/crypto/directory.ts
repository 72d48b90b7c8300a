import { createHash } from 'node:crypto';
import { z } from 'zod';
import { decodeBase64url, encodePaddedBase64url } from './base64url.js';
import { graceMs } from './epoch.js';
import { parseTokenChallenge } from './token-challenge.js';
import { parseTokenKey } from './token-key.js';
import { blindRsa } from './token.js';

/**
 * The issuer's key directory (RFC 9578 §4), as published by both sides: a client that reads it from both and finds a
 * difference has found a key made for somebody in particular. So both render it here, byte for byte, from what each holds
 * in its own database.
 *
 * Retired keys are listed, apart from the keys a client may use. The other side must learn of a retirement from a
 * statement, never from an absence: an old copy in a cache, a replica a second behind or an issuer restored from a backup
 * also lack keys, and acting on that would make good tokens worthless for good.
 */
export interface DirectoryKey {
  readonly keyId: Buffer;
  /** 342 bytes of DER. */
  readonly spki: Buffer;
  /** From here on clients choose it. */
  readonly notBefore: Date;
  readonly signUntil: Date;
  readonly verifyUntil: Date;
  /** An operator has ended it. */
  readonly retired: boolean;
}

export const directoryPath = '/.well-known/private-token-issuer-directory';
export const directoryMediaType = 'application/private-token-issuer-directory';

/** Far more than the four or five keys of an ordinary day; a bound for what a reader takes. */
const maxKeys = 64;
/** A key's longest life: its epoch, 10 minutes, and the grace. */
const longestLifeMs = 2 * graceMs + 3_600_000;

const seconds = z.int().min(0).max(0xffffffff);

const tokenKey = z.object({
  'token-type': z.literal(blindRsa),
  'token-key': z.string().max(600),
  'not-before': seconds.describe('From here on clients choose this key; Unix seconds.'),
  'not-after': seconds.describe('The key signs until then; Unix seconds.'),
  'verify-until': seconds.describe('Tokens of the key are accepted until then; Unix seconds.'),
});

const otherTypeOfKey = z.object({ 'token-type': z.int().refine((type) => type !== blindRsa) });

/** What a reader understands of a directory. Unknown members and token types are passed over (RFC 9578 §4). */
const directorySchema = z.object({
  'issuer-request-uri': z.string().max(2048).describe('Where tokens are signed, relative to the issuer.'),
  'token-challenge': z.string().max(2048).describe('The TokenChallenge that tokens answer, base64url.'),
  'token-keys': z.array(z.union([tokenKey, otherTypeOfKey])).max(maxKeys),
  'retired-keys': z
    .array(z.union([tokenKey, otherTypeOfKey]))
    .max(maxKeys)
    .default([]),
});

export type DirectoryDocument = z.output<typeof directorySchema>;

/** What we publish, for the API reference. */
export const publishedDirectorySchema = z.strictObject({
  ...directorySchema.shape,
  'token-keys': z.array(tokenKey).describe('Newest first, the next one included.'),
  'retired-keys': z.array(tokenKey).describe('Ended by an operator: their tokens are worthless.'),
});

/** Newest first; keys whose tokens have all expired are left out. */
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
 * Reads a directory that somebody else rendered. All or nothing: a document that is wrong anywhere is believed nowhere.
 * Key ids are computed from the keys, never taken from the document.
 *
 * @throws {DirectoryError}
 */
export function parseDirectory(document: unknown): { keys: DirectoryKey[]; challenge: Buffer } {
  const parsed = directorySchema.safeParse(document);
  if (!parsed.success) throw new DirectoryError('it has another shape');
  const challenge = decodeBase64url(parsed.data['token-challenge']);
  if (challenge === undefined || parseTokenChallenge(challenge) === undefined) {
    throw new DirectoryError('token-challenge is no TokenChallenge');
  }
  const read = (entries: DirectoryDocument['token-keys'], retired: boolean) =>
    entries.filter((entry) => 'token-key' in entry).map((entry) => parseKey(entry, retired));
  const keys = [...read(parsed.data['token-keys'], false), ...read(parsed.data['retired-keys'], true)];
  if (keys.every((key) => key.retired)) throw new DirectoryError('it lists no key');
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
  const life = verifyUntil.getTime() - notBefore.getTime();
  if (notBefore >= signUntil || signUntil > verifyUntil || life > longestLifeMs) {
    throw new DirectoryError('the times of a key make no sense');
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
