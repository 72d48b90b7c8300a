import { beforeAll, describe, expect, it } from 'vitest';
import { directoryOf, entryOf } from '../test/directory.js';
import { TestIssuer } from '../test/issuer.js';
import { toBase64url } from './bytes.js';
import { type DirectoryKey, type IssuerDirectory } from './directory.js';
import { checkKeyConsistency, consistentKey, seenKeyOf, checkSeenKeys } from './key-consistency.js';
import { buildTokenChallenge } from './token.js';

const hour = 3600;
const day = 24 * hour;
const midnight = 20_833 * day;
const noon = midnight + 12 * hour;
const [yesterdays, todays, tomorrows, other] = [new TestIssuer(), new TestIssuer(), new TestIssuer(), new TestIssuer()];
const [yesterday, today, tomorrow] = [
  entryOf(yesterdays, midnight - day),
  entryOf(todays, midnight),
  entryOf(tomorrows, midnight + day),
];
const ordinary = [tomorrow, today, yesterday];
const suspected = (reason: string) =>
  expect.objectContaining({ name: 'PartitioningSuspected', reason }) as unknown as Error;

let directory: IssuerDirectory;
let key: DirectoryKey;

beforeAll(async () => {
  directory = await directoryOf(ordinary);
  key = consistentKey(directory, directory, noon * 1000);
});

describe('consistentKey', () => {
  it('returns the key of the day, even when only one side lists the next key', async () => {
    expect(key.spki).toEqual(todays.spki);
    const withoutNext = await directoryOf([today, yesterday]);
    expect(consistentKey(directory, withoutNext, noon * 1000).spki).toEqual(todays.spki);
  });

  it.each([
    ['another key', 'key_differs', () => directoryOf([entryOf(other, midnight), yesterday])],
    ['another time', 'key_differs', () => directoryOf([{ ...today, 'verify-until': midnight + 2 * day }])],
    [
      'another challenge',
      'challenge_differs',
      () => directoryOf(ordinary, [], toBase64url(buildTokenChallenge({ issuerName: 'x', originInfo: '' }))),
    ],
  ])('suspects partitioning when one side publishes %s', async (_, reason, published) => {
    const changed = await published();
    expect(() => consistentKey(directory, changed, noon * 1000)).toThrow(suspected(reason));
    expect(() => consistentKey(changed, directory, noon * 1000)).toThrow(suspected(reason));
  });
});

describe('checkSeenKeys', () => {
  const keyId = () => toBase64url(key.keyId);
  const check = (published: IssuerDirectory[], now = noon) => checkSeenKeys([seenKeyOf(key)], published, now * 1000);

  it('accepts a key that both sides publish, and its absence after its end', async () => {
    expect(check([directory, directory])).toEqual({ retired: [] });
    const gone = await directoryOf([tomorrow]);
    expect(check([gone, gone], key.verifyUntil)).toEqual({ retired: [] });
  });

  it('reports a key as retired when all given directories list it as retired', async () => {
    const retired = await directoryOf([entryOf(other, midnight), yesterday], [today]);
    expect(check([retired, retired])).toEqual({ retired: [keyId()] });
    expect(check([retired])).toEqual({ retired: [keyId()] });
  });

  it('suspects partitioning when only one side lists a key as retired', async () => {
    const retired = await directoryOf([entryOf(other, midnight), yesterday], [today]);
    const gone = await directoryOf([entryOf(other, midnight), yesterday]);
    for (const [sides, reason] of [
      [[directory, retired], 'retirement_differs'],
      [[retired, directory], 'retirement_differs'],
      [[gone, retired], 'key_changed'],
    ] as const) {
      const { retired: retiredIds, suspicion } = check([...sides]);
      expect([retiredIds, suspicion]).toEqual([[], expect.objectContaining({ reason, keyIds: [keyId()] })]);
      expect(() => checkKeyConsistency(sides[0], sides[1], [seenKeyOf(key)], noon * 1000)).toThrow(suspected(reason));
    }
  });

  it('suspects partitioning when a retired key is published again', async () => {
    const retiredKey = { ...seenKeyOf(key), retired: true } as const;
    const retired = await directoryOf([entryOf(other, midnight), yesterday], [today]);
    const dropped = await directoryOf([entryOf(other, midnight), yesterday]);
    for (const sides of [
      [retired, retired],
      [dropped, dropped],
    ]) {
      expect(checkSeenKeys([retiredKey], sides, noon * 1000)).toEqual({ retired: [] });
    }
    for (const sides of [[directory, directory], [retired, directory], [directory]]) {
      expect(checkSeenKeys([retiredKey], sides, noon * 1000).suspicion).toMatchObject({
        reason: 'key_returned',
        keyIds: [keyId()],
      });
    }
  });

  it.each([
    ['key_changed', 'another key replaces a key', () => directoryOf([entryOf(other, midnight), yesterday])],
    ['key_changed', 'the end of a key changes', () => directoryOf([{ ...today, 'verify-until': midnight + 2 * day }])],
    ['key_vanished', 'a key disappears', () => directoryOf([tomorrow, yesterday])],
  ])('reports %s when %s, on one side or both', async (reason, _, published) => {
    const changed = await published();
    for (const sides of [[changed], [changed, changed], [directory, changed], [changed, directory]]) {
      expect(check(sides).suspicion).toMatchObject({ reason, keyIds: [toBase64url(key.keyId)] });
    }
    expect(() => checkKeyConsistency(changed, changed, [seenKeyOf(key)], noon * 1000)).toThrow(suspected(reason));
  });
});

describe('checkKeyConsistency', () => {
  it.each([
    ['two keys for one day', noon, [today, entryOf(other, midnight)]],
    [
      'four live keys',
      noon,
      [today, yesterday, entryOf(other, midnight - day - hour), entryOf(new TestIssuer(), midnight - 2 * hour)],
    ],
    ['three signing keys', midnight + 300, [today, yesterday, entryOf(other, midnight - hour)]],
  ])('suspects partitioning when there are %s', async (_, now, keys) => {
    const tooMany = await directoryOf(keys);
    expect(() => checkKeyConsistency(tooMany, tooMany, [], now * 1000)).toThrow(suspected('too_many_keys'));
    expect(checkSeenKeys([], [directory, tooMany], now * 1000).suspicion).toMatchObject({ reason: 'too_many_keys' });
  });

  it('accepts the keys at midnight and after an emergency change of keys', async () => {
    const before = entryOf(other, midnight - 2 * day);
    const atMidnight = await directoryOf([tomorrow, today, yesterday, before]);
    const replaced = await directoryOf([tomorrow, entryOf(new TestIssuer(), midnight), yesterday], [today]);
    expect(checkKeyConsistency(atMidnight, atMidnight, [], (midnight + 300) * 1000).key.spki).toEqual(todays.spki);
    expect(checkKeyConsistency(replaced, replaced, [seenKeyOf(key)], noon * 1000).retired).toEqual([
      toBase64url(key.keyId),
    ]);
  });
});
