import { AuthorizationHeader, publicVerif, WWWAuthenticateHeader } from '@cloudflare/privacypass-ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedemptionRequest, startAnonymizer, type TestAnonymizer } from '../support/anonymizer.js';
import { wireguardKey } from '../support/fleet.js';
import { challengeDigest, parseTokenInput, serviceChallenge } from '../../src/crypto/index.js';

let anonymizer: TestAnonymizer;
/** A valid token, which no refused request may spend. */
let valid: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  await anonymizer.addNode();
  valid = await anonymizer.request();
});

afterAll(() => anonymizer.stop());

const bytesOf = (text: string) => Buffer.from(text, 'base64url');
const encodedToken = ({ token, signature }: Pick<RedemptionRequest, 'token' | 'signature'>) =>
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

describe('POST /vpn/config with an invalid request', () => {
  it.each<[field: string, what: string, change: (valid: RedemptionRequest) => object]>([
    ['location', 'missing', () => ({ location: undefined })],
    ['location', 'a number', () => ({ location: 7 })],
    ['location', 'not an id', () => ({ location: 'Frankfurt am Main' })],
    ['location', 'longer than any id', () => ({ location: 'a'.repeat(65) })],
    ['token', 'a number', () => ({ token: 98 })],
    ['token', 'empty', () => ({ token: '' })],
    ['token', 'one byte too short', ({ token }) => ({ token: bytesOf(token).subarray(1).toString('base64url') })],
    [
      'token',
      'one byte too long',
      ({ token }) => ({ token: Buffer.concat([bytesOf(token), Buffer.of(0)]).toString('base64url') }),
    ],
    ['token', 'with a character that is not base64url', ({ token }) => ({ token: `${token.slice(0, -1)}+` })],
    ['token', 'with white space', ({ token }) => ({ token: ` ${token}` })],
    [
      'signature',
      'one byte too short',
      ({ signature }) => ({ signature: bytesOf(signature).subarray(1).toString('base64url') }),
    ],
    ['signature', 'null', () => ({ signature: null })],
    ['public_key', 'base64url', () => ({ public_key: Buffer.alloc(32, 0xff).toString('base64url') })],
    ['public_key', 'one byte too short', () => ({ public_key: Buffer.alloc(31, 9).toString('base64') })],
    ['public_key', 'an object', () => ({ public_key: {} })],
    ...lowOrder.map((key): [string, string, () => object] => [
      'public_key',
      'of low order',
      () => ({ public_key: key }),
    ]),
    ['dns_blocking', 'unknown', () => ({ dns_blocking: 'everything' })],
  ])('answers 400 and names the field when %s is %s', async (field, _what, change) => {
    const answer = await anonymizer.redeem({ ...valid, ...change(valid) });
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.errors?.map((error) => error.field)).toEqual([field]);
    expect(answer.detail).toMatch(/^\w+: /);
  });

  it.each<[what: string, body: (valid: RedemptionRequest) => object, expected: RegExp]>([
    ['an unknown field', (all) => ({ ...all, user: 'ada' }), /user/],
    ['a list', () => [], /expected/],
    ['a token without signature', ({ signature: _, ...rest }) => rest, /signature/],
    ['a signature without token', ({ token: _, ...rest }) => rest, /token/],
  ])('answers 400 and says what was expected for %s', async (_what, body, expected) => {
    const answer = await anonymizer.redeem(body(valid));
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(JSON.stringify([answer.detail, answer.errors])).toMatch(expected);
  });

  it.each<[what: string, status: number, init: RequestInit]>([
    ['another method', 405, { method: 'GET' }],
    ['another media type', 415, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'token' }],
    ['invalid JSON', 400, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"token":' }],
    [
      'a huge body',
      413,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: 'a'.repeat(2e6) }),
      },
    ],
  ])('answers %s with %i as problem+json', async (_what, status, init) => {
    const response = await fetch(`${anonymizer.service.url}/vpn/config`, init);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  it('answers 404 for an unknown or disabled location', async () => {
    await anonymizer.addLocation('de-closed', { enabled: false });
    for (const location of ['atlantis', 'de-closed']) {
      expect(await anonymizer.redeem({ ...valid, location })).toMatchObject({ status: 404, code: 'unknown_location' });
    }
  });

  it('spends no token by any of these requests', async () => {
    expect(await anonymizer.rows()).toEqual([]);
    expect(await anonymizer.redis.keys('spent:*')).toEqual([]);
    expect((await anonymizer.connect(valid)).status).toBe(200);
  });
});

describe('POST /vpn/config with the token in the body', () => {
  it('accepts padded base64url', async () => {
    const { token, signature, ...rest } = await anonymizer.request();
    // 98 bytes need one "=" of padding, 256 bytes need two.
    const padded = { token: `${token}=`, signature: `${signature}==`, ...rest };
    expect((await anonymizer.connect(padded)).status).toBe(200);
    expect((await anonymizer.connect({ token, signature, ...rest })).status).toBe(200);
    expect(await anonymizer.redeem({ ...padded, public_key: wireguardKey() })).toMatchObject({ code: 'token_reused' });
  });
});

describe('POST /vpn/config with Authorization: PrivateToken', () => {
  it('accepts the token in the header instead of the body, as the same token', async () => {
    const { token, signature, ...rest } = await anonymizer.request();
    const authorization = `PrivateToken token="${encodedToken({ token, signature })}"`;
    const first = await anonymizer.connect(rest, { authorization });
    expect(first.status).toBe(200);
    expect((await anonymizer.connect({ token, signature, ...rest })).connection_id).toBe(first.connection_id);
  });

  it('refuses a token in both places, and a header without a valid token', async () => {
    const { token, signature, ...rest } = await anonymizer.request();
    const authorization = `PrivateToken token="${encodedToken({ token, signature })}"`;
    const refused = { status: 400, code: 'invalid_request' };
    expect(await anonymizer.redeem({ token, signature, ...rest }, { authorization })).toMatchObject(refused);
    expect(await anonymizer.redeem({ signature, ...rest }, { authorization })).toMatchObject(refused);
    expect(await anonymizer.redeem(rest, { authorization: `PrivateToken token="${token}"` })).toMatchObject(refused);
    expect((await anonymizer.connect(rest, { authorization })).status).toBe(200);
  });

  it('ignores another scheme', async () => {
    const answer = await anonymizer.connect(await anonymizer.request(), { authorization: 'Bearer anything' });
    expect(answer.status).toBe(200);
  });
});

describe('POST /vpn/config without a token', () => {
  it('answers 401 with a challenge that another Privacy Pass client can answer', async () => {
    const location = 'de-frankfurt';
    const refused = await anonymizer.redeem({ location });
    expect(refused).toMatchObject({ status: 401, code: 'token_missing' });
    const [challenge] = WWWAuthenticateHeader.parse(refused.headers.get('www-authenticate') ?? '');
    const key = anonymizer.issuer.signingKey();
    if (challenge === undefined) throw new Error('no challenge was sent');
    expect(Buffer.from(challenge.tokenKey).equals(key.spki)).toBe(true);
    expect(Buffer.from(challenge.challenge.serialize())).toEqual(serviceChallenge(anonymizer.service.config.common));

    const client = new publicVerif.Client(publicVerif.BlindRSAMode.PSS);
    const request = await client.createTokenRequest(challenge.challenge, new Uint8Array(challenge.tokenKey));
    const blindSignature = key.blindSign(Buffer.from(request.blindedMsg));
    const token = await client.finalize(client.deserializeTokenResponse(new Uint8Array(blindSignature)));
    const authorization = new AuthorizationHeader(token).toString();
    expect((await anonymizer.connect({ location }, { authorization })).status).toBe(200);
  });

  it('sends the challenge that tokens are bound to', async () => {
    const { token } = await anonymizer.mint();
    const digest = challengeDigest(serviceChallenge(anonymizer.service.config.common));
    expect(parseTokenInput(bytesOf(token))?.challengeDigest).toEqual(digest);
  });
});
