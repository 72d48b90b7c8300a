import { AuthorizationHeader, publicVerif, WWWAuthenticateHeader } from '@cloudflare/privacypass-ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { wireguardKey } from '../support/fleet.js';
import { challengeDigest, parseTokenInput, serviceChallenge } from '../../src/crypto/index.js';

let anonymizer: TestAnonymizer;
/** A good token: nothing that is refused here may spend it. */
let good: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  await anonymizer.addNode();
  good = await anonymizer.request();
});

afterAll(() => anonymizer.stop());

const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const whole = ({ token, signature }: Pick<RedemptionRequest, 'token' | 'signature'>) =>
  Buffer.concat([bytesOf(token), bytesOf(signature)]).toString('base64url');

/** The points of low order (RFC 7748 §6.1), with the top bit clear and set: X25519 ignores it. */
const lowOrder = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].flatMap((point) => {
  const [clear, set] = [Buffer.from(point, 'hex'), Buffer.from(point, 'hex')];
  set.writeUInt8(set.readUInt8(31) | 0x80, 31);
  return [clear.toString('base64'), set.toString('base64')];
});

describe('a request that is not as expected', () => {
  it.each<[field: string, what: string, change: (good: RedemptionRequest) => object]>([
    ['location', 'missing', () => ({ location: undefined })],
    ['location', 'a number', () => ({ location: 7 })],
    ['location', 'no id', () => ({ location: 'Frankfurt am Main' })],
    ['location', 'longer than any id', () => ({ location: 'a'.repeat(65) })],
    ['token', 'a number', () => ({ token: 98 })],
    ['token', 'empty', () => ({ token: '' })],
    ['token', 'a byte short', ({ token }) => ({ token: bytesOf(token).subarray(1).toString('base64url') })],
    [
      'token',
      'a byte long',
      ({ token }) => ({ token: Buffer.concat([bytesOf(token), Buffer.of(0)]).toString('base64url') }),
    ],
    ['token', 'with a character that is no base64url', ({ token }) => ({ token: `${token.slice(0, -1)}+` })],
    ['token', 'with white space', ({ token }) => ({ token: ` ${token}` })],
    [
      'signature',
      'a byte short',
      ({ signature }) => ({ signature: bytesOf(signature).subarray(1).toString('base64url') }),
    ],
    ['signature', 'null', () => ({ signature: null })],
    ['public_key', 'base64url', () => ({ public_key: Buffer.alloc(32, 0xff).toString('base64url') })],
    ['public_key', 'a byte short', () => ({ public_key: Buffer.alloc(31, 9).toString('base64') })],
    ['public_key', 'an object', () => ({ public_key: {} })],
    ...lowOrder.map((key): [string, string, () => object] => [
      'public_key',
      'of low order',
      () => ({ public_key: key }),
    ]),
    ['dns_blocking', 'unknown', () => ({ dns_blocking: 'everything' })],
  ])('%s %s: 400 that names the field', async (field, _what, change) => {
    const answer = await anonymizer.redeem({ ...good, ...change(good) });
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.errors?.map((error) => error.field)).toEqual([field]);
    expect(answer.detail).toMatch(/^\w+: /);
  });

  it.each<[what: string, body: (good: RedemptionRequest) => object, says: RegExp]>([
    ['an unknown field', (all) => ({ ...all, user: 'ada' }), /user/],
    ['a list', () => [], /expected/],
    ['a token without signature', ({ signature: _, ...rest }) => rest, /signature/],
    ['a signature without token', ({ token: _, ...rest }) => rest, /token/],
  ])('%s: 400 that says what was expected', async (_what, body, says) => {
    const answer = await anonymizer.redeem(body(good));
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(JSON.stringify([answer.detail, answer.errors])).toMatch(says);
  });

  it.each<[what: string, status: number, init: RequestInit]>([
    ['another method', 405, { method: 'GET' }],
    ['another media type', 415, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'token' }],
    ['no JSON', 400, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"token":' }],
    [
      'a huge body',
      413,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: 'a'.repeat(2e6) }),
      },
    ],
  ])('%s: %i as problem+json', async (_what, status, init) => {
    const response = await fetch(`${anonymizer.service.url}/vpn/config`, init);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  it('names a location that is not there, or no longer offered: 404', async () => {
    await anonymizer.addLocation('de-closed', { enabled: false });
    for (const location of ['atlantis', 'de-closed']) {
      expect(await anonymizer.redeem({ ...good, location })).toMatchObject({ status: 404, code: 'unknown_location' });
    }
  });

  it('has spent nothing by all of that', async () => {
    expect(await anonymizer.rows()).toEqual([]);
    expect(await anonymizer.redis.keys('spent:*')).toEqual([]);
    expect((await anonymizer.connect(good)).status).toBe(200);
  });
});

describe('the text of a token', () => {
  it('may be padded', async () => {
    const { token, signature, ...rest } = await anonymizer.request();
    // 98 bytes take one "=", 256 take two.
    const padded = { token: `${token}=`, signature: `${signature}==`, ...rest };
    expect((await anonymizer.connect(padded)).status).toBe(200);
    expect((await anonymizer.connect({ token, signature, ...rest })).status).toBe(200);
    expect(await anonymizer.redeem({ ...padded, public_key: wireguardKey() })).toMatchObject({ code: 'token_reused' });
  });
});

describe('Authorization: PrivateToken', () => {
  it('carries the token instead of the body, and it is the same token', async () => {
    const { token, signature, ...rest } = await anonymizer.request();
    const authorization = `PrivateToken token="${whole({ token, signature })}"`;
    const first = await anonymizer.connect(rest, { authorization });
    expect(first.status).toBe(200);
    expect((await anonymizer.connect({ token, signature, ...rest })).connection_id).toBe(first.connection_id);
  });

  it('is refused beside a token in the body, and when it holds none', async () => {
    const { token, signature, ...rest } = await anonymizer.request();
    const authorization = `PrivateToken token="${whole({ token, signature })}"`;
    const refused = { status: 400, code: 'invalid_request' };
    expect(await anonymizer.redeem({ token, signature, ...rest }, { authorization })).toMatchObject(refused);
    expect(await anonymizer.redeem({ signature, ...rest }, { authorization })).toMatchObject(refused);
    expect(await anonymizer.redeem(rest, { authorization: `PrivateToken token="${token}"` })).toMatchObject(refused);
    expect((await anonymizer.connect(rest, { authorization })).status).toBe(200);
  });

  it('of another scheme is not looked at', async () => {
    const answer = await anonymizer.connect(await anonymizer.request(), { authorization: 'Bearer whatever' });
    expect(answer.status).toBe(200);
  });
});

describe('without a token', () => {
  it('the answer is 401 with a challenge that a foreign Privacy Pass client meets', async () => {
    const location = 'de-frankfurt';
    const refused = await anonymizer.redeem({ location });
    expect(refused).toMatchObject({ status: 401, code: 'token_missing' });
    const [asked] = WWWAuthenticateHeader.parse(refused.headers.get('www-authenticate') ?? '');
    const key = anonymizer.issuer.signingKey();
    if (asked === undefined) throw new Error('no challenge was sent');
    expect(Buffer.from(asked.tokenKey).equals(key.spki)).toBe(true);
    expect(Buffer.from(asked.challenge.serialize())).toEqual(serviceChallenge(anonymizer.service.config.common));

    const client = new publicVerif.Client(publicVerif.BlindRSAMode.PSS);
    const request = await client.createTokenRequest(asked.challenge, new Uint8Array(asked.tokenKey));
    const blindSignature = key.blindSign(Buffer.from(request.blindedMsg));
    const token = await client.finalize(client.deserializeTokenResponse(new Uint8Array(blindSignature)));
    const authorization = new AuthorizationHeader(token).toString();
    expect((await anonymizer.connect({ location }, { authorization })).status).toBe(200);
  });

  it('the challenge is what tokens are bound to', async () => {
    const { token } = await anonymizer.mint();
    const digest = challengeDigest(serviceChallenge(anonymizer.service.config.common));
    expect(parseTokenInput(bytesOf(token))?.challengeDigest).toEqual(digest);
  });
});
