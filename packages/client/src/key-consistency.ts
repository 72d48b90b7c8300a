import { equal } from './bytes.js';
import { currentKey, type DirectoryKey, type IssuerDirectory, keyIdText } from './directory.js';
import { PartitioningSuspected } from './errors.js';

/*
 * Key consistency. A token names the key that signed it, so whoever is given a key of one's own is recognised by it. Three
 * things speak against that, and all are checked:
 *
 * - Both sides publish the keys, to anybody, and are asked without credentials. They must agree on the key that signs and on
 *   the challenge, so a key for one person would take both sides together, and an answer made for this device.
 * - What was once agreed on is remembered. It must stay published until it ends, on both sides, or be retired for everybody
 *   to see; so a key that was shown once, to one person, is missed at the next look, from another address perhaps.
 * - A day has one key. More keys than days would split the crowd into small ones.
 *
 * No side is believed alone, that a key is retired least of all: whoever could make a client throw its tokens away could
 * make it fetch others when it connects. While one side says so, tokens of that key are not used; once both do, they are
 * forgotten and the key is remembered as ended, so that it cannot come back for somebody.
 */

/** A key that both sides had published; times in Unix seconds. */
export interface SeenKey {
  /** 32 bytes, base64url. */
  readonly keyId: string;
  readonly notBefore: number;
  readonly verifyUntil: number;
  /** Both sides have said that an operator ended it. */
  readonly retired?: true;
}

/** Today's key, yesterday's, and for some minutes after midnight that of the day before. */
const maxLiveKeys = 3;
/** Today's, and for some minutes after midnight yesterday's. */
const maxSigningKeys = 2;
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
  const tooMany = live.length > maxLiveKeys || signing.length > maxSigningKeys || days.size < keys.length;
  return tooMany ? new PartitioningSuspected('too_many_keys', live.map(keyIdText)) : undefined;
}

/** What has become of the keys that were once agreed on, as far as the directories that were asked say. */
export interface Standing {
  /** Ids of keys that every one of them calls retired. */
  readonly retired: readonly string[];
  /** Why keys are not what they were or must be, and the ids of those. */
  readonly suspicion?: PartitioningSuspected;
}

/** Looks for the keys that were once agreed on in directories as they are now, of one side or both. */
export function standingOf(seen: readonly SeenKey[], directories: readonly IssuerDirectory[], now: number): Standing {
  const looked = seen
    .filter((key) => now < (key.verifyUntil - endMarginS) * 1000)
    .map((key) => ({ key, reason: reasonAgainst(key, directories) }));
  const ids = (wanted: (reason: Verdict) => boolean) =>
    looked.filter(({ reason }) => wanted(reason)).map(({ key }) => key.keyId);
  const first = looked.map(({ reason }) => reason).find(isSuspicious);
  const suspicion =
    first === undefined
      ? directories.map((directory) => tooManyKeys(directory, now)).find((found) => found !== undefined)
      : new PartitioningSuspected(first, ids(isSuspicious));
  return { retired: ids((reason) => reason === 'retired'), ...(suspicion && { suspicion }) };
}

type Suspicion = 'key_changed' | 'key_vanished' | 'key_returned' | 'retirement_differs';
type Verdict = Suspicion | 'retired' | undefined;

function isSuspicious(verdict: Verdict): verdict is Suspicion {
  return verdict !== undefined && verdict !== 'retired';
}

function reasonAgainst(seen: SeenKey, directories: readonly IssuerDirectory[]): Verdict {
  // Its tokens are gone; it only must not come back.
  if (seen.retired === true) return directories.some((each) => listed(seen, each)) ? 'key_returned' : undefined;
  const words = directories.map((directory) => wordOn(seen, directory));
  const suspicious = words.find(isSuspicious);
  if (suspicious !== undefined) return suspicious;
  const retiring = words.filter((word) => word === 'retired').length;
  if (retiring === 0) return undefined;
  return retiring === words.length ? 'retired' : 'retirement_differs';
}

/** What one side says of a key. */
function wordOn(seen: SeenKey, directory: IssuerDirectory): 'retired' | 'key_changed' | 'key_vanished' | undefined {
  if (directory.retired.includes(seen.keyId)) return 'retired';
  const key = listed(seen, directory);
  if (key === undefined) {
    return directory.keys.some(({ notBefore }) => notBefore === seen.notBefore) ? 'key_changed' : 'key_vanished';
  }
  return key.notBefore === seen.notBefore && key.verifyUntil === seen.verifyUntil ? undefined : 'key_changed';
}

function listed({ keyId }: SeenKey, { keys }: IssuerDirectory): DirectoryKey | undefined {
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

/** What both sides agree on. */
export interface Agreement {
  /** Tokens may be made for it. */
  readonly key: DirectoryKey;
  /** Ids of keys whose tokens are worthless from now on. */
  readonly retired: readonly string[];
}

/**
 * Both checks at once, before tokens are fetched.
 *
 * @throws {PartitioningSuspected}
 * @throws {TokenError} `no_current_key`
 */
export function agree(
  gatekeeper: IssuerDirectory,
  anonymizer: IssuerDirectory,
  seen: readonly SeenKey[],
  now: number,
): Agreement {
  const { suspicion, retired } = standingOf(seen, [gatekeeper, anonymizer], now);
  if (suspicion !== undefined) throw suspicion;
  return { key: agreedKey(gatekeeper, anonymizer, now), retired };
}
