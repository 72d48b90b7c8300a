import { type DirectoryDirectoryData, type DirectoryDirectoryResponse } from './api.gen.js';
import { type Bytes, fromBase64url, toBase64url } from './bytes.js';
import { TokenError } from './errors.js';
import { parseTokenKey, type TokenKey } from './token-key.js';
import { parseTokenChallenge } from './token.js';

export const directoryPath: DirectoryDirectoryData['url'] = '/.well-known/private-token-issuer-directory';

type Document = { readonly [Name in keyof DirectoryDirectoryResponse]?: unknown };
type Entry = { readonly [Name in keyof DirectoryDirectoryResponse['token-keys'][number]]?: unknown };

/** A key as the directory lists it. Times are in Unix seconds. */
export interface DirectoryKey extends TokenKey {
  /** From then on clients use it for new tokens. */
  readonly notBefore: number;
  /** Until then the issuer signs with it. */
  readonly notAfter: number;
  /** Until then its tokens can be spent. */
  readonly verifyUntil: number;
}

/** The issuer's key directory (RFC 9578 §4). */
export interface IssuerDirectory {
  /** The bytes of the TokenChallenge that tokens answer. */
  readonly challenge: Bytes;
  /** Those of token type 0x0002 that are not retired. */
  readonly keys: readonly DirectoryKey[];
  /** Ids of keys that an operator has retired, base64url. Their tokens can no longer be spent. */
  readonly retired: readonly string[];
}

/** A key's id, 32 bytes as base64url. */
export function keyIdText({ keyId }: TokenKey): string {
  return toBase64url(keyId);
}

/**
 * Parses a directory; one invalid key makes it invalid. Keys of other token types and unknown members are ignored (RFC 9578 §4).
 *
 * @throws {TokenError} `invalid_directory`, `invalid_token_key`, `invalid_challenge`
 */
export async function parseDirectory(document: unknown): Promise<IssuerDirectory> {
  const read: Document = asRecord(document);
  const { 'token-challenge': challengeText, 'token-keys': keys, 'retired-keys': retired = [] } = read;
  const challenge = typeof challengeText === 'string' ? fromBase64url(challengeText) : undefined;
  if (challenge === undefined) throw invalidDirectory('token-challenge is not base64url');
  parseTokenChallenge(challenge);
  const directory = { challenge, keys: await parseKeys(keys), retired: (await parseKeys(retired)).map(keyIdText) };
  const ids = [...directory.keys.map(keyIdText), ...directory.retired];
  if (new Set(ids).size !== ids.length) throw invalidDirectory('it lists a key twice');
  return directory;
}

/**
 * The current signing key: the newest whose `not-before` has passed. A key still signs for some minutes after its epoch, so two
 * keys may be valid at once.
 *
 * @param now Unix milliseconds
 * @throws {TokenError} `no_current_key`: the directory is old, or this device's clock is wrong
 */
export function currentKey({ keys }: IssuerDirectory, now: number): DirectoryKey {
  const signing = keys.filter((key) => key.notBefore * 1000 <= now && now < key.notAfter * 1000);
  const newest = signing.toSorted((a, b) => b.notBefore - a.notBefore)[0];
  if (newest === undefined) {
    throw new TokenError(
      'no_current_key',
      "The service publishes no key for the current time. Check this device's clock.",
    );
  }
  return newest;
}

async function parseKeys(entries: unknown): Promise<DirectoryKey[]> {
  if (!Array.isArray(entries)) throw invalidDirectory('the keys are not a list');
  return Promise.all(
    entries
      .map(asRecord)
      .filter((entry) => entry['token-type'] === 2)
      .map(parseKey),
  );
}

async function parseKey(entry: Entry): Promise<DirectoryKey> {
  const text = entry['token-key'];
  const spki = typeof text === 'string' ? fromBase64url(text) : undefined;
  if (spki === undefined) throw invalidDirectory('a token-key is not base64url');
  const [notBefore, notAfter, verifyUntil] = [entry['not-before'], entry['not-after'], entry['verify-until']];
  if (!isUnixSeconds(notBefore) || !isUnixSeconds(notAfter) || !isUnixSeconds(verifyUntil)) {
    throw invalidDirectory('the times of a key are missing or not Unix seconds');
  }
  return { ...(await parseTokenKey(spki)), notBefore, notAfter, verifyUntil };
}

function isUnixSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw invalidDirectory('it is not an object');
  return value as Record<string, unknown>;
}

function invalidDirectory(reason: string): TokenError {
  return new TokenError('invalid_directory', `The issuer's key directory is invalid: ${reason}.`);
}
