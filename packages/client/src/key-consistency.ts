import { equal } from './bytes.js';
import { currentKey, type DirectoryKey, type IssuerDirectory, keyIdText } from './directory.js';
import { PartitioningSuspected } from './errors.js';

/*
 * Key consistency. A token names the key that signed it. An issuer that gives one user a key of their own could recognise that
 * user's tokens when they are spent (a partitioning attack). The client makes three checks against this:
 *
 * - Both sides publish the keys, and the client requests them without credentials. The sides must agree on the signing key and on
 *   the challenge. So a key for one user would need both sides to collude, and to recognise this device's requests.
 * - The wallet remembers the keys that both sides published. Each must stay published on both sides until it ends, or be
 *   listed as retired by both. So the client notices a key that was shown only once, perhaps from another address.
 * - Each day has one key. More keys than days would split the anonymity set.
 *
 * One side alone is never believed, least of all about a retirement: a side that could make a client drop its tokens could make
 * it fetch new ones just when it connects. While only one side lists a key as retired, its tokens are not used. Once both do, the
 * tokens are dropped and the key is remembered as retired, so that it cannot be published again for one user.
 */

/** A key that both sides have published. Times are in Unix seconds. */
export interface SeenKey {
  /** 32 bytes, base64url. */
  readonly keyId: string;
  readonly notBefore: number;
  readonly verifyUntil: number;
  /** Both sides have listed it as retired. */
  readonly retired?: true;
}

/** Today's key, yesterday's, and for some minutes after midnight that of the day before yesterday. */
const maxLiveKeys = 3;
/** Today's key, and for some minutes after midnight yesterday's. */
const maxSigningKeys = 2;
/** A key that is about to end may be gone from one directory and not yet from the other. */
const endMarginS = 120;

/**
 * The signing key that both sides publish consistently. Tokens may be made for it.
 *
 * @param now Unix milliseconds
 * @throws {PartitioningSuspected} `challenge_differs`, `key_differs`
 * @throws {TokenError} `no_current_key`
 */
export function consistentKey(gatekeeper: IssuerDirectory, anonymizer: IssuerDirectory, now: number): DirectoryKey {
  if (!equal(gatekeeper.challenge, anonymizer.challenge)) throw new PartitioningSuspected('challenge_differs');
  const [key, otherKey] = [currentKey(gatekeeper, now), currentKey(anonymizer, now)];
  if (!isSameKey(key, otherKey)) throw new PartitioningSuspected('key_differs');
  return key;
}

/** @returns `too_many_keys`, or undefined */
function tooManyKeys({ keys }: IssuerDirectory, now: number): PartitioningSuspected | undefined {
  const live = keys.filter((key) => key.notBefore * 1000 <= now && now < key.verifyUntil * 1000);
  const signing = live.filter((key) => now < key.notAfter * 1000);
  const days = new Set(keys.map((key) => key.notBefore));
  const tooMany = live.length > maxLiveKeys || signing.length > maxSigningKeys || days.size < keys.length;
  return tooMany ? new PartitioningSuspected('too_many_keys', live.map(keyIdText)) : undefined;
}

export interface SeenKeysCheck {
  /** Ids of keys that all given directories list as retired. */
  readonly retired: readonly string[];
  /** The inconsistency that was found, with the ids of the affected keys. */
  readonly suspicion?: PartitioningSuspected;
}

/** Compares the keys that the wallet has seen with the current directories of one side or both. */
export function checkSeenKeys(
  seen: readonly SeenKey[],
  directories: readonly IssuerDirectory[],
  now: number,
): SeenKeysCheck {
  const checked = seen
    .filter((key) => now < (key.verifyUntil - endMarginS) * 1000)
    .map((key) => ({ key, status: statusInAll(key, directories) }));
  const idsWith = (matches: (status: KeyStatus) => boolean) =>
    checked.filter(({ status }) => matches(status)).map(({ key }) => key.keyId);
  const first = checked.map(({ status }) => status).find(isSuspicious);
  const suspicion =
    first === undefined
      ? directories.map((directory) => tooManyKeys(directory, now)).find((found) => found !== undefined)
      : new PartitioningSuspected(first, idsWith(isSuspicious));
  return { retired: idsWith((status) => status === 'retired'), ...(suspicion && { suspicion }) };
}

type SuspiciousStatus = 'key_changed' | 'key_vanished' | 'key_returned' | 'retirement_differs';
type KeyStatus = SuspiciousStatus | 'retired' | undefined;

function isSuspicious(status: KeyStatus): status is SuspiciousStatus {
  return status !== undefined && status !== 'retired';
}

function statusInAll(seen: SeenKey, directories: readonly IssuerDirectory[]): KeyStatus {
  // Its tokens have been dropped. It only must not be published again.
  if (seen.retired === true) {
    return directories.some((directory) => findKey(seen, directory)) ? 'key_returned' : undefined;
  }
  const statuses = directories.map((directory) => statusIn(seen, directory));
  const suspicious = statuses.find(isSuspicious);
  if (suspicious !== undefined) return suspicious;
  const retiredCount = statuses.filter((status) => status === 'retired').length;
  if (retiredCount === 0) return undefined;
  return retiredCount === statuses.length ? 'retired' : 'retirement_differs';
}

/** @returns undefined when the directory lists the key unchanged */
function statusIn(seen: SeenKey, directory: IssuerDirectory): 'retired' | 'key_changed' | 'key_vanished' | undefined {
  if (directory.retired.includes(seen.keyId)) return 'retired';
  const key = findKey(seen, directory);
  if (key === undefined) {
    return directory.keys.some(({ notBefore }) => notBefore === seen.notBefore) ? 'key_changed' : 'key_vanished';
  }
  return key.notBefore === seen.notBefore && key.verifyUntil === seen.verifyUntil ? undefined : 'key_changed';
}

function findKey({ keyId }: SeenKey, { keys }: IssuerDirectory): DirectoryKey | undefined {
  return keys.find((key) => keyIdText(key) === keyId);
}

function isSameKey(a: DirectoryKey, b: DirectoryKey): boolean {
  return (
    equal(a.keyId, b.keyId) &&
    a.notBefore === b.notBefore &&
    a.notAfter === b.notAfter &&
    a.verifyUntil === b.verifyUntil
  );
}

export function seenKeyOf(key: DirectoryKey): SeenKey {
  return { keyId: keyIdText(key), notBefore: key.notBefore, verifyUntil: key.verifyUntil };
}

export interface ConsistentKeys {
  /** The signing key. Tokens may be made for it. */
  readonly key: DirectoryKey;
  /** Ids of retired keys, whose tokens can no longer be spent. */
  readonly retired: readonly string[];
}

/**
 * `checkSeenKeys` and `consistentKey` for both sides, before tokens are fetched.
 *
 * @throws {PartitioningSuspected}
 * @throws {TokenError} `no_current_key`
 */
export function checkKeyConsistency(
  gatekeeper: IssuerDirectory,
  anonymizer: IssuerDirectory,
  seen: readonly SeenKey[],
  now: number,
): ConsistentKeys {
  const { suspicion, retired } = checkSeenKeys(seen, [gatekeeper, anonymizer], now);
  if (suspicion !== undefined) throw suspicion;
  return { key: consistentKey(gatekeeper, anonymizer, now), retired };
}
