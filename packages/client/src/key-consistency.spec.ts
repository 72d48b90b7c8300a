import { beforeAll, describe, expect, it } from 'vitest';
import { directoryOf, entryOf } from '../test/directory.js';
import { TestIssuer } from '../test/issuer.js';
import { toBase64url } from './bytes.js';
import { type DirectoryKey, type IssuerDirectory } from './directory.js';
import { agree, agreedKey, seenKeyOf, standingOf } from './key-consistency.js';
import { buildTokenChallenge } from './token.js';

const hour = 3600;
const day = 24 * hour;
/** Noon of a UTC day. */
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
  key = agreedKey(directory, directory, noon * 1000);
});

describe('the two sides', () => {
  it('agree on the key of the day, whatever else one lists already', async () => {
    expect(key.spki).toEqual(todays.spki);
    const behind = await directoryOf([today, yesterday]);
    expect(agreedKey(directory, behind, noon * 1000).spki).toEqual(todays.spki);
  });

  it.each([
    ['another key', 'key_differs', () => directoryOf([entryOf(other, midnight), yesterday])],
    ['another time', 'key_differs', () => directoryOf([{ ...today, 'verify-until': midnight + 2 * day }])],
    [
      'another challenge',
      'challenge_differs',
      () => directoryOf(ordinary, [], toBase64url(buildTokenChallenge({ issuerName: 'x', originInfo: '' }))),
    ],
  ])('are suspected when one publishes %s', async (_, reason, published) => {
    const theirs = await published();
    expect(() => agreedKey(directory, theirs, noon * 1000)).toThrow(suspected(reason));
    expect(() => agreedKey(theirs, directory, noon * 1000)).toThrow(suspected(reason));
  });
});

describe('a key that was agreed on', () => {
  const keyId = () => toBase64url(key.keyId);
  const standing = (published: IssuerDirectory[], now = noon) => standingOf([seenKeyOf(key)], published, now * 1000);

  it('stands while both sides publish it, until its end', async () => {
    expect(standing([directory, directory])).toEqual({ retired: [] });
    const gone = await directoryOf([tomorrow]);
    expect(standing([gone, gone], key.verifyUntil)).toEqual({ retired: [] });
  });

  it('is retired when every side that was asked says so', async () => {
    const retired = await directoryOf([entryOf(other, midnight), yesterday], [today]);
    expect(standing([retired, retired])).toEqual({ retired: [keyId()] });
    expect(standing([retired])).toEqual({ retired: [keyId()] });
  });

  it('is not retired by the word of one side against the other', async () => {
    const retired = await directoryOf([entryOf(other, midnight), yesterday], [today]);
    const gone = await directoryOf([entryOf(other, midnight), yesterday]);
    for (const [sides, reason] of [
      [[directory, retired], 'retirement_differs'],
      [[retired, directory], 'retirement_differs'],
      [[gone, retired], 'key_changed'],
    ] as const) {
      const { retired: ended, suspicion } = standing([...sides]);
      expect([ended, suspicion]).toEqual([[], expect.objectContaining({ reason, keyIds: [keyId()] })]);
      expect(() => agree(sides[0], sides[1], [seenKeyOf(key)], noon * 1000)).toThrow(suspected(reason));
    }
  });

  it('may not come back once it was retired', async () => {
    const ended = { ...seenKeyOf(key), retired: true } as const;
    const retired = await directoryOf([entryOf(other, midnight), yesterday], [today]);
    const dropped = await directoryOf([entryOf(other, midnight), yesterday]);
    for (const sides of [
      [retired, retired],
      [dropped, dropped],
    ]) {
      expect(standingOf([ended], sides, noon * 1000)).toEqual({ retired: [] });
    }
    for (const sides of [[directory, directory], [retired, directory], [directory]]) {
      expect(standingOf([ended], sides, noon * 1000).suspicion).toMatchObject({
        reason: 'key_returned',
        keyIds: [keyId()],
      });
    }
  });

  it.each([
    ['key_changed', 'another stands in its place', () => directoryOf([entryOf(other, midnight), yesterday])],
    ['key_changed', 'its end has moved', () => directoryOf([{ ...today, 'verify-until': midnight + 2 * day }])],
    ['key_vanished', 'it is gone', () => directoryOf([tomorrow, yesterday])],
  ])('raises %s when %s, on one side or both', async (reason, _, published) => {
    const theirs = await published();
    for (const sides of [[theirs], [theirs, theirs], [directory, theirs], [theirs, directory]]) {
      expect(standing(sides).suspicion).toMatchObject({ reason, keyIds: [toBase64url(key.keyId)] });
    }
    expect(() => agree(theirs, theirs, [seenKeyOf(key)], noon * 1000)).toThrow(suspected(reason));
  });
});

describe('the number of keys', () => {
  it.each([
    ['two keys for one day', noon, [today, entryOf(other, midnight)]],
    [
      'four live keys',
      noon,
      [today, yesterday, entryOf(other, midnight - day - hour), entryOf(new TestIssuer(), midnight - 2 * hour)],
    ],
    ['three keys that sign', midnight + 300, [today, yesterday, entryOf(other, midnight - hour)]],
  ])('is suspected with %s', async (_, now, keys) => {
    const crowded = await directoryOf(keys);
    expect(() => agree(crowded, crowded, [], now * 1000)).toThrow(suspected('too_many_keys'));
    expect(standingOf([], [directory, crowded], now * 1000).suspicion).toMatchObject({ reason: 'too_many_keys' });
  });

  it('is as it must be on an ordinary day, at midnight and in an emergency', async () => {
    const before = entryOf(other, midnight - 2 * day);
    const atMidnight = await directoryOf([tomorrow, today, yesterday, before]);
    const replaced = await directoryOf([tomorrow, entryOf(new TestIssuer(), midnight), yesterday], [today]);
    expect(agree(atMidnight, atMidnight, [], (midnight + 300) * 1000).key.spki).toEqual(todays.spki);
    expect(agree(replaced, replaced, [seenKeyOf(key)], noon * 1000).retired).toEqual([toBase64url(key.keyId)]);
  });
});
