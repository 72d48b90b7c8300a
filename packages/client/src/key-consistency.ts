import { type Bytes, equal } from './bytes.js';
import { currentKey, type DirectoryKey, type IssuerDirectory, keyIdText } from './directory.js';
import { PartitioningSuspected } from './errors.js';
import { challengeDigestOf } from './token.js';

/*
 * Key consistency. A token names the key that signed it, so whoever is given a key of one's own is recognised by it. Three
 * things speak against that, and all are checked:
 *
 * - Both sides publish the keys, to anybody, and are asked without credentials. They must agree on the key that signs and on
 *   the challenge, so a key for one person would take both sides together, and an answer made for this device.
 * - What was once agreed on is remembered. It must stay published until it ends, on both sides, or be retired for everybody
 *   to see; so a key that was shown once, to one person, is missed at the next look, from another address perhaps.
 * - A day has one key. More keys than days would split the crowd into small ones.
 */

/** A key that both sides had published; times in Unix seconds. */
export interface SeenKey {
  /** 32 bytes, base64url. */
  readonly keyId: string;
  readonly notBefore: number;
  readonly verifyUntil: number;
}

/** Today's key, yesterday's, and for some minutes after midnight that of the day before. */
const mostLiveKeys = 3;
/** Today's, and for some minutes after midnight yesterday's. */
const mostSigningKeys = 2;
/** A key about to end may have left one directory and not yet the other. */
const endMarginS = 120;

/**
 * The key that both sides publish as the one that signs now. Tokens may be made for it.
 *
 * @param now Unix milliseconds
 * @throws {PartitioningSuspected} `challenge_differs`, `key_differs`
 * @throws {TokenError} `no_current_key`
 */
export function agreedKey(gatekeeper: IssuerDirectory, anonymizer: IssuerDirectory, now: number): DirectoryKey {
  if (!equal(gatekeeper.challenge, anonymizer.challenge)) throw new PartitioningSuspected('challenge_differs');
  const [ours, theirs] = [currentKey(gatekeeper, now), currentKey(anonymizer, now)];
  if (!isSameKey(ours, theirs)) throw new PartitioningSuspected('key_differs');
  return ours;
}

/** @returns `too_many_keys` */
function tooManyKeys({ keys }: IssuerDirectory, now: number): PartitioningSuspected | undefined {
  const live = keys.filter((key) => key.notBefore * 1000 <= now && now < key.verifyUntil * 1000);
  const signing = live.filter((key) => now < key.notAfter * 1000);
  const days = new Set(keys.map((key) => key.notBefore));
  const tooMany = live.length > mostLiveKeys || signing.length > mostSigningKeys || days.size < keys.length;
  return tooMany ? new PartitioningSuspected('too_many_keys', live.map(keyIdText)) : undefined;
}

/** Whether directories are as they must be, and what has become of the keys that were once agreed on. */
export interface Standing {
  /** Ids of keys that an operator has ended: their tokens are worthless. */
  readonly retired: readonly string[];
  /** Why keys are not what they were or must be, and the ids of those. */
  readonly suspicion?: PartitioningSuspected;
}

/** Looks for the keys that were once agreed on in directories as they are now, of one side or both. */
export function standingOf(seen: readonly SeenKey[], directories: readonly IssuerDirectory[], now: number): Standing {
  const expected = seen.filter((key) => now < (key.verifyUntil - endMarginS) * 1000);
  const retired = expected.filter(({ keyId }) => directories.some((directory) => directory.retired.includes(keyId)));
  const suspects = expected
    .filter((key) => !retired.includes(key))
    .flatMap((key) => {
      const reason = directories.map((directory) => reasonAgainst(key, directory)).find((found) => found !== undefined);
      return reason === undefined ? [] : [{ key, reason }];
    });
  const [first] = suspects;
  const suspicion =
    first === undefined
      ? directories.map((directory) => tooManyKeys(directory, now)).find((found) => found !== undefined)
      : new PartitioningSuspected(
          first.reason,
          suspects.map(({ key }) => key.keyId),
        );
  return { retired: retired.map(({ keyId }) => keyId), ...(suspicion && { suspicion }) };
}

function reasonAgainst(seen: SeenKey, { keys }: IssuerDirectory): 'key_changed' | 'key_vanished' | undefined {
  const listed = keys.find((key) => keyIdText(key) === seen.keyId);
  if (listed === undefined)
    return keys.some((key) => key.notBefore === seen.notBefore) ? 'key_changed' : 'key_vanished';
  return listed.notBefore === seen.notBefore && listed.verifyUntil === seen.verifyUntil ? undefined : 'key_changed';
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

/** What tokens may be made for now. */
export interface Agreement {
  readonly key: DirectoryKey;
  /** 32 bytes. */
  readonly challengeDigest: Bytes;
  /** Ids of keys whose tokens are worthless from now on. */
  readonly retired: readonly string[];
}

/**
 * Both checks at once, before tokens are fetched.
 *
 * @throws {PartitioningSuspected}
 * @throws {TokenError} `no_current_key`
 */
export async function agree(
  gatekeeper: IssuerDirectory,
  anonymizer: IssuerDirectory,
  seen: readonly SeenKey[],
  now: number,
): Promise<Agreement> {
  const { suspicion, retired } = standingOf(seen, [gatekeeper, anonymizer], now);
  if (suspicion !== undefined) throw suspicion;
  const key = agreedKey(gatekeeper, anonymizer, now);
  return { key, challengeDigest: await challengeDigestOf(gatekeeper.challenge), retired };
}
