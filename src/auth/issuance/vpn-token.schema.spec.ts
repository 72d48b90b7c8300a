import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  blinded,
  blindedTexts,
  replyOf,
  startIssuing,
  type TestIssuing,
  text,
  tokenRequest,
} from '../../../test/support/issuing.js';
import { IssuerKeysService } from '../../crypto/issuer/index.js';

let issuing: TestIssuing;

beforeAll(async () => {
  issuing = await startIssuing();
});

afterAll(() => issuing.stop());

describe('the token request schema', () => {
  const good = text(Buffer.alloc(256, 0x5a));

  it.each<[string, unknown, string]>([
    ['neither form', {}, 'blindedToken'],
    ['both forms', { blindedToken: good, blindedTokens: [good] }, 'blindedToken'],
    ['an empty batch', { blindedTokens: [] }, 'blindedTokens'],
    ['a batch of 33', { blindedTokens: Array.from({ length: 33 }, () => good) }, 'blindedTokens'],
    ['a batch that is not an array', { blindedTokens: good }, 'blindedTokens'],
    ['one bad element of a batch', { blindedTokens: [good, 'x'] }, 'blindedTokens.1'],
    ['255 bytes', { blindedToken: text(Buffer.alloc(255, 0x5a)) }, 'blindedToken'],
    ['257 bytes', { blindedToken: text(Buffer.alloc(257, 0x5a)) }, 'blindedToken'],
    ['base64 instead of base64url', { blindedToken: Buffer.alloc(256, 0xff).toString('base64') }, 'blindedToken'],
    ['white space', { blindedToken: ` ${good.slice(1)}` }, 'blindedToken'],
    ['wrong padding', { blindedToken: `${good}=` }, 'blindedToken'],
    ['a number', { blindedToken: 7 }, 'blindedToken'],
    ['null', { blindedToken: null }, 'blindedToken'],
    ['a key id of 31 bytes', { blindedToken: good, keyId: text(Buffer.alloc(31)) }, 'keyId'],
    ['an unknown field', { blindedToken: good, userId: 'x' }, 'userId'],
    ['an array', [], 'object'],
  ])('refuses %s and names the field', async (_name, body, expected) => {
    const user = await issuing.signInWithTrial();
    const reply = await issuing.issue(user.headers, body);
    const problem = (await reply.json()) as { code: string; detail: string };
    expect([reply.status, problem.code]).toEqual([400, 'invalid_request']);
    expect(problem.detail).toContain(expected);
  });

  it('accepts correct padding', async () => {
    const user = await issuing.signInWithTrial();
    expect((await issuing.issue(user.headers, { blindedToken: `${good}==` })).status).toBe(200);
  });

  it('refuses numbers that no blinding yields (0, 1, n - 1, n and above), alone and in a batch', async () => {
    const user = await issuing.signInWithTrial();
    const { modulus, keyId } = await issuing.currentKey();
    const plus = (bytes: Buffer, difference: bigint) =>
      Buffer.from((BigInt(`0x${bytes.toString('hex')}`) + difference).toString(16).padStart(512, '0'), 'hex');
    const zero = Buffer.alloc(256);
    const bad = [zero, plus(zero, 1n), plus(modulus, -1n), modulus, plus(modulus, 1n), Buffer.alloc(256, 0xff)];
    for (const message of bad) {
      const bodies = [{ blindedToken: text(message) }, { blindedTokens: [...blindedTexts(2), text(message)] }];
      for (const body of bodies) {
        expect(await replyOf(await issuing.issue(user.headers, body))).toMatchObject({
          status: 422,
          code: 'invalid_token_request',
        });
      }
      const request = tokenRequest({ keyId }, message);
      expect((await issuing.issueBinary(user.headers, request)).status).toBe(422);
    }
    expect(await issuing.countedFor(user)).toBe(0);
    for (const message of [plus(zero, 2n), plus(modulus, -2n)]) {
      expect((await issuing.issue(user.headers, { blindedToken: text(message) })).status).toBe(200);
    }
  });

  it('answers 422 to a binary token request of the wrong type, length or key', async () => {
    const user = await issuing.signInWithTrial();
    const { keyId } = await issuing.currentKey();
    const last = keyId.readUInt8(31);
    const signing = issuing.service.app.get(IssuerKeysService, { strict: false });
    const foreign = Array.from({ length: 256 }, (_, byte) => byte).find((byte) => !signing.keyForTruncated(byte)) ?? 0;
    const message = blinded();
    for (const request of [
      [0, 1, last, ...message],
      [2, 0, last, ...message],
      [0, 2, foreign, ...message],
      [0, 2, last, ...message.subarray(1)],
      [0, 2, last, ...message, 0],
      [0],
      [],
    ]) {
      const response = await issuing.issueBinary(user.headers, new Uint8Array(request));
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(await replyOf(response)).toMatchObject({ status: 422, code: 'invalid_token_request' });
    }
    expect(await issuing.countedFor(user)).toBe(0);
  });

  it('answers 415 to another media type, 405 to another method, and 413 to a body that is too large', async () => {
    const { headers } = await issuing.signInWithTrial();
    expect((await issuing.issueBinary(headers, new Uint8Array(259), 'application/octet-stream')).status).toBe(415);
    expect((await issuing.issueBinary(headers, new Uint8Array(259), 'text/plain')).status).toBe(415);
    expect((await issuing.get('/auth/vpn-token', headers)).status).toBe(405);
    expect((await issuing.issueBinary(headers, new Uint8Array(70_000))).status).toBe(413);
    expect((await issuing.issue(headers, { blindedToken: 'x'.repeat(70_000) })).status).toBe(413);
  });
});
