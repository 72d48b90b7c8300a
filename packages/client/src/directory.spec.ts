import { describe, expect, it } from 'vitest';
import { TestIssuer } from '../test/issuer.js';
import { toBase64url } from './bytes.js';
import { currentKey, keyIdText, parseDirectory } from './directory.js';
import { buildTokenChallenge } from './token.js';

const challenge = toBase64url(buildTokenChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' }));
const [older, newer] = [new TestIssuer(), new TestIssuer()];
const hour = 3600;
const now = 1_800_000_000;

function entry({ spki }: TestIssuer, notBefore: number, notAfter: number) {
  return {
    'token-type': 2,
    'token-key': toBase64url(spki),
    'not-before': notBefore,
    'not-after': notAfter,
    'verify-until': notAfter + 24 * hour,
  };
}

function directory(keys: unknown[], tokenChallenge = challenge) {
  return parseDirectory({
    'issuer-request-uri': '/auth/vpn-token',
    'token-challenge': tokenChallenge,
    'token-keys': keys,
  });
}

const ordinary = [entry(newer, now, now + 24 * hour), entry(older, now - 24 * hour, now + 600)];

describe('parseDirectory and currentKey', () => {
  it('choose the newest key whose `not-before` has passed', async () => {
    const both = await directory(ordinary);
    expect(currentKey(both, now * 1000 - 1).spki).toEqual(older.spki);
    expect(currentKey(both, now * 1000).spki).toEqual(newer.spki);
  });

  it('find no key before and after the times of all keys', async () => {
    const one = await directory([entry(newer, now, now + hour)]);
    const none = expect.objectContaining({
      code: 'no_current_key',
      message: expect.stringContaining('clock') as string,
    }) as Error;
    expect(() => currentKey(one, now * 1000 - 1)).toThrow(none);
    expect(() => currentKey(one, (now + hour) * 1000)).toThrow(none);
  });

  it('accept padding, and ignore keys of other types', async () => {
    const spki = `${toBase64url(newer.spki)}==`.slice(0, 456);
    const { keys } = await directory([{ 'token-type': 1 }, { ...entry(newer, now, now + hour), 'token-key': spki }]);
    expect(keys).toHaveLength(1);
  });

  it('list the ids of retired keys', async () => {
    const document = { 'token-challenge': challenge, 'token-keys': [ordinary[0]], 'retired-keys': [ordinary[1]] };
    const { keys, retired } = await parseDirectory(document);
    const [first] = (await directory([ordinary[1]])).keys;
    expect([keys.length, retired]).toEqual([1, [keyIdText(first!)]]);
  });

  it.each([
    ['null as content', null],
    ['no keys', { 'token-challenge': challenge }],
    ['no challenge', { 'token-keys': [] }],
    ['an invalid challenge', { 'token-challenge': 'AAAA', 'token-keys': [] }],
    ['an invalid key', { 'token-challenge': challenge, 'token-keys': [{ ...ordinary[0], 'token-key': 'AAAA' }] }],
    [
      'an invalid retired key',
      { 'token-challenge': challenge, 'token-keys': [], 'retired-keys': [{ 'token-type': 2 }] },
    ],
    ['a key twice', { 'token-challenge': challenge, 'token-keys': [ordinary[0], ordinary[0]] }],
    [
      'a key that is also retired',
      { 'token-challenge': challenge, 'token-keys': ordinary, 'retired-keys': [ordinary[1]] },
    ],
    ['an invalid time', { 'token-challenge': challenge, 'token-keys': [{ ...ordinary[0], 'not-after': '1' }] }],
  ])('refuse a directory with %s', async (_, document) => {
    await expect(parseDirectory(document)).rejects.toMatchObject({ name: 'TokenError' });
  });
});
