import { type Bytes, equal, fromBase64url } from './bytes.js';
import { PartitioningSuspected, TokenError } from './errors.js';
import { parseTokenKey, type TokenKey } from './token-key.js';
import { parseTokenChallenge } from './token.js';

export const directoryPath = '/.well-known/private-token-issuer-directory';

/** A key as the directory lists it; times in Unix seconds. */
export interface DirectoryKey extends TokenKey {
  /** From here on clients choose it. */
  readonly notBefore: number;
  /** It signs until then. */
  readonly notAfter: number;
  /** Its tokens can be spent until then. */
  readonly verifyUntil: number;
}

/** The issuer's key directory (RFC 9578 §4). */
export interface IssuerDirectory {
  /** The bytes of the TokenChallenge that tokens answer. */
  readonly challenge: Bytes;
  /** Those of token type 0x0002 that are not retired. */
  readonly keys: readonly DirectoryKey[];
}

/**
 * Reads a directory, all or nothing. Keys of other token types and unknown members are passed over (RFC 9578 §4).
 *
 * @throws {TokenError} `invalid_directory`, `invalid_token_key`, `invalid_challenge`
 */
export async function parseDirectory(document: unknown): Promise<IssuerDirectory> {
  const { 'token-challenge': challengeText, 'token-keys': entries } = asRecord(document);
  const challenge = typeof challengeText === 'string' ? fromBase64url(challengeText) : undefined;
  if (challenge === undefined) throw unreadable('token-challenge is not base64url');
  parseTokenChallenge(challenge);
  if (!Array.isArray(entries)) throw unreadable('token-keys is not a list');
  const ours = entries.map(asRecord).filter((entry) => entry['token-type'] === 2);
  return { challenge, keys: await Promise.all(ours.map(parseKey)) };
}

/**
 * The key that signs now: the newest whose `not-before` has come. Signing goes on for some minutes after a key's epoch,
 * so two keys may be within their times.
 *
 * @param now Unix milliseconds
 * @throws {TokenError} `invalid_directory` when no key signs now: the directory is old, or this device's clock is wrong
 */
export function currentKey({ keys }: IssuerDirectory, now: number): DirectoryKey {
  const signing = keys.filter((key) => key.notBefore * 1000 <= now && now < key.notAfter * 1000);
  const newest = signing.toSorted((a, b) => b.notBefore - a.notBefore)[0];
  if (newest === undefined) throw unreadable('no key signs now; is the clock of this device right?');
  return newest;
}

/**
 * The key that both sides publish as the one that signs now. Each side is asked without credentials, so a key made for one
 * person would have to be shown to everybody, or to nobody but by both sides together.
 *
 * @throws {PartitioningSuspected} when key, times or challenge differ
 */
export function agreedKey(gatekeeper: IssuerDirectory, anonymizer: IssuerDirectory, now: number): DirectoryKey {
  const [ours, theirs] = [currentKey(gatekeeper, now), currentKey(anonymizer, now)];
  if (!equal(gatekeeper.challenge, anonymizer.challenge)) {
    throw new PartitioningSuspected('The two sides publish different challenges.');
  }
  const sameTimes =
    ours.notBefore === theirs.notBefore && ours.notAfter === theirs.notAfter && ours.verifyUntil === theirs.verifyUntil;
  if (!equal(ours.keyId, theirs.keyId) || !sameTimes) {
    throw new PartitioningSuspected('The two sides publish different keys.');
  }
  return ours;
}

async function parseKey(entry: Record<string, unknown>): Promise<DirectoryKey> {
  const text = entry['token-key'];
  const spki = typeof text === 'string' ? fromBase64url(text) : undefined;
  if (spki === undefined) throw unreadable('a token-key is not base64url');
  const [notBefore, notAfter, verifyUntil] = [entry['not-before'], entry['not-after'], entry['verify-until']];
  if (!isSecond(notBefore) || !isSecond(notAfter) || !isSecond(verifyUntil)) throw unreadable('a key lacks its times');
  return { ...(await parseTokenKey(spki)), notBefore, notAfter, verifyUntil };
}

function isSecond(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw unreadable('it has another shape');
  return value as Record<string, unknown>;
}

function unreadable(reason: string): TokenError {
  return new TokenError('invalid_directory', `The issuer's directory cannot be used: ${reason}.`);
}
