import { type DirectoryDirectoryData, type DirectoryDirectoryResponse } from './api.gen.js';
import { type Bytes, fromBase64url, toBase64url } from './bytes.js';
import { TokenError } from './errors.js';
import { parseTokenKey, type TokenKey } from './token-key.js';
import { parseTokenChallenge } from './token.js';

export const directoryPath: DirectoryDirectoryData['url'] = '/.well-known/private-token-issuer-directory';

type Document = { readonly [Name in keyof DirectoryDirectoryResponse]?: unknown };
type Entry = { readonly [Name in keyof DirectoryDirectoryResponse['token-keys'][number]]?: unknown };

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
  /** Ids of keys that an operator has ended, base64url: their tokens are worthless. */
  readonly retired: readonly string[];
}

/** A key's id as text: 32 bytes, base64url. */
export function keyIdText({ keyId }: TokenKey): string {
  return toBase64url(keyId);
}

/**
 * Reads a directory, all or nothing. Keys of other token types and unknown members are passed over (RFC 9578 §4).
 *
 * @throws {TokenError} `invalid_directory`, `invalid_token_key`, `invalid_challenge`
 */
export async function parseDirectory(document: unknown): Promise<IssuerDirectory> {
  const read: Document = asRecord(document);
  const { 'token-challenge': challengeText, 'token-keys': keys, 'retired-keys': retired = [] } = read;
  const challenge = typeof challengeText === 'string' ? fromBase64url(challengeText) : undefined;
  if (challenge === undefined) throw unreadable('token-challenge is not base64url');
  parseTokenChallenge(challenge);
  const directory = { challenge, keys: await parseKeys(keys), retired: (await parseKeys(retired)).map(keyIdText) };
  const ids = [...directory.keys.map(keyIdText), ...directory.retired];
  if (new Set(ids).size !== ids.length) throw unreadable('it lists a key twice');
  return directory;
}

/**
 * The key that signs now: the newest whose `not-before` has come. Signing goes on for some minutes after a key's epoch,
 * so two keys may be within their times.
 *
 * @param now Unix milliseconds
 * @throws {TokenError} `no_current_key`: the directory is old, or this device's clock is wrong
 */
export function currentKey({ keys }: IssuerDirectory, now: number): DirectoryKey {
  const signing = keys.filter((key) => key.notBefore * 1000 <= now && now < key.notAfter * 1000);
  const newest = signing.toSorted((a, b) => b.notBefore - a.notBefore)[0];
  if (newest === undefined) {
    throw new TokenError('no_current_key', 'No key signs now. Is the clock of this device right?');
  }
  return newest;
}

async function parseKeys(entries: unknown): Promise<DirectoryKey[]> {
  if (!Array.isArray(entries)) throw unreadable('the keys are not a list');
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
