import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { DirectoryError, type DirectoryKey, entityTagOf, parseDirectory, renderDirectory } from './directory.js';
import { epochTimes } from './epoch.js';
import { serviceChallenge } from './token-challenge.js';
import { encodeTokenKey, keyIdOf } from './token-key.js';

const epoch = 20_000;
const now = new Date(epochTimes(epoch).notBefore.getTime() + 3_600_000);
const challenge = serviceChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' });

function keyOf(ofEpoch: number, retired = false): DirectoryKey {
  const spki = encodeTokenKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
  const { notBefore, signUntil, verifyUntil } = epochTimes(ofEpoch);
  return { keyId: keyIdOf(spki), spki, notBefore, signUntil, verifyUntil, retired };
}

const yesterday = keyOf(epoch - 1);
const today = keyOf(epoch);
const tomorrow = keyOf(epoch + 1);
const retired = keyOf(epoch, true);

interface Entry {
  'token-type': number;
  'token-key': string;
  'not-before': number;
  'not-after': number;
  'verify-until': number;
}

interface Document {
  [member: string]: unknown;
  'token-keys': Entry[];
  'retired-keys': Entry[];
}

function rendered(keys: readonly DirectoryKey[] = [yesterday, today, tomorrow, retired]): Document {
  return JSON.parse(renderDirectory(keys, challenge, now)) as Document;
}

describe('renderDirectory and parseDirectory', () => {
  it('list the keys newest first, including the next one, and retired keys separately', () => {
    const document = rendered([today, retired, yesterday, tomorrow]);
    expect(Object.keys(document)).toEqual(['issuer-request-uri', 'token-challenge', 'token-keys', 'retired-keys']);
    expect(document['issuer-request-uri']).toBe('/auth/vpn-token');
    expect(document['token-keys'].map((key) => key['not-before'])).toEqual(
      [tomorrow, today, yesterday].map((key) => key.notBefore.getTime() / 1000),
    );
    expect(document['token-keys'][1]).toEqual({
      'token-type': 2,
      'token-key': today.spki.toString('base64').replaceAll('+', '-').replaceAll('/', '_'),
      'not-before': epoch * 86_400,
      'not-after': (epoch + 1) * 86_400 + 600,
      'verify-until': (epoch + 2) * 86_400 + 600,
    });
    expect(document['retired-keys']).toHaveLength(1);
  });

  it('render the same text for any order of the keys', () => {
    const orders = [
      [yesterday, today, tomorrow, retired],
      [retired, tomorrow, today, yesterday],
      [today, retired, yesterday, tomorrow],
    ];
    expect(new Set(orders.map((keys) => renderDirectory(keys, challenge, now))).size).toBe(1);
    const twins = [keyOf(epoch), keyOf(epoch)];
    expect(renderDirectory(twins, challenge, now)).toBe(renderDirectory(twins.toReversed(), challenge, now));
  });

  it('omit a key from the moment its tokens expire', () => {
    const end = today.verifyUntil;
    const before = JSON.parse(renderDirectory([today], challenge, new Date(end.getTime() - 1))) as Document;
    const after = JSON.parse(renderDirectory([today], challenge, end)) as Document;
    expect([before['token-keys'].length, after['token-keys'].length]).toEqual([1, 0]);
  });

  it('round-trip', () => {
    const { keys, challenge: read } = parseDirectory(rendered());
    expect(read).toEqual(challenge);
    expect(keys).toEqual([tomorrow, today, yesterday, retired]);
  });

  it('change the entity tag with the body', () => {
    const body = renderDirectory([today], challenge, now);
    expect(entityTagOf(body)).toMatch(/^"[A-Za-z0-9_-]{22}"$/);
    expect(entityTagOf(body)).toBe(entityTagOf(renderDirectory([today], challenge, now)));
    expect(entityTagOf(renderDirectory([today, tomorrow], challenge, now))).not.toBe(entityTagOf(body));
  });

  it('ignore unknown members and token types, and accept a missing list of retired keys', () => {
    const { 'retired-keys': _none, ...document } = rendered([today]);
    const foreign = { 'token-type': 1, 'token-key': 'anything', 'not-before': 'soon' };
    const { keys } = parseDirectory({ ...document, 'token-keys': [foreign, ...document['token-keys']], extra: true });
    expect(keys).toEqual([today]);
  });
});

describe('parseDirectory refuses the whole directory when', () => {
  const entry = () => rendered([today])['token-keys'][0] as Entry;
  const withEntry = (change: Partial<Record<keyof Entry, unknown>>) => ({
    ...rendered([yesterday]),
    'token-keys': [...rendered([yesterday])['token-keys'], { ...entry(), ...change }],
  });
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'der', type: 'spki' });
  const plain = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'der', type: 'spki' });

  it.each<[string, () => unknown]>([
    ['it is not an object', () => []],
    ['it is null', () => null],
    ['it is empty', () => ({})],
    ['it lists no key', () => ({ ...rendered(), 'token-keys': [] })],
    ['it lists only retired keys', () => rendered([retired])],
    ['token-keys is not a list', () => ({ ...rendered(), 'token-keys': {} })],
    ['a key is listed twice', () => withEntry({ 'token-key': rendered([yesterday])['token-keys'][0]?.['token-key'] })],
    ['a key is both usable and retired', () => ({ ...rendered(), 'retired-keys': rendered([today])['token-keys'] })],
    ['a key is not base64url', () => withEntry({ 'token-key': `${entry()['token-key'].slice(0, -1)}!` })],
    ['a key is truncated', () => withEntry({ 'token-key': entry()['token-key'].slice(0, -8) })],
    ['a key is RSA-1024', () => withEntry({ 'token-key': small.toString('base64url') })],
    ['a key has the plain RSA OID', () => withEntry({ 'token-key': plain.toString('base64url') })],
    ['a key is missing', () => withEntry({ 'token-key': undefined })],
    ['a time is text', () => withEntry({ 'not-before': '1' })],
    ['a time is a fraction', () => withEntry({ 'not-after': 1.5 })],
    ['a time is negative', () => withEntry({ 'not-before': -1 })],
    ['a key ends before it starts', () => withEntry({ 'not-after': entry()['not-before'] })],
    ['tokens expire before the key stops signing', () => withEntry({ 'verify-until': entry()['not-after'] - 1 })],
    ['a key never expires', () => withEntry({ 'verify-until': 0xffffffff })],
    ['the challenge is missing', () => ({ ...rendered(), 'token-challenge': undefined })],
    ['the challenge is not a TokenChallenge', () => ({ ...rendered(), 'token-challenge': 'AAAA' })],
    ['it lists too many keys', () => ({ ...rendered(), 'token-keys': Array(65).fill(entry()) })],
  ])('%s', (_what, document) => {
    expect(() => parseDirectory(JSON.parse(JSON.stringify(document())))).toThrow(DirectoryError);
  });
});
