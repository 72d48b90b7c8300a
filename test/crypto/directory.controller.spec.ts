import { publicVerif, TokenChallenge, type Token } from '@cloudflare/privacypass-ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { anonymizerEnv, type Env, gatekeeperEnv } from '../support/app.js';
import { createCryptoSides, type CryptoSides } from '../support/crypto-sides.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';
import { TestClock } from '../support/test-clock.js';
import { decodeBase64url } from '../../src/crypto/base64url.js';
import { type DirectoryDocument, directoryPath, parseDirectory } from '../../src/crypto/directory.js';
import { splitToken, parseTokenInput, parseTokenRequest } from '../../src/crypto/token.js';

let stack: TestStack;
let clock: TestClock;
const running: CryptoSides[] = [];

beforeAll(async () => {
  stack = await createTestStack();
});

beforeEach(async () => {
  clock = new TestClock('2030-06-10T12:00:00Z');
  await query(stack.identityUrl, 'DELETE FROM identity."IssuerKey"');
  await query(stack.networkUrl, 'DELETE FROM network."VerifierKey"');
});

afterEach(async () => {
  for (const service of running.splice(0)) await service.stop();
});

afterAll(() => stack.stop());

async function create(env: Env): Promise<CryptoSides> {
  const service = await createCryptoSides(env, clock);
  running.push(service);
  return service;
}

const both = () => create({ ...gatekeeperEnv(stack), ...anonymizerEnv(stack) });
const gatekeeper = () => create({ SERVICE_ROLE: 'gatekeeper', ...gatekeeperEnv(stack) });
const anonymizer = (issuerUrl: string) =>
  create({
    SERVICE_ROLE: 'anonymizer',
    ...anonymizerEnv(stack),
    ISSUER_DIRECTORY_URL: `${issuerUrl}${directoryPath}`,
  });

const directoryOf = ({ app }: CryptoSides, headers: Record<string, string> = {}) =>
  app.inject({ method: 'GET', url: directoryPath, headers });

/** Both sides as two processes; the anonymizer reads the gatekeeper’s directory over HTTP. */
async function startBothSides(): Promise<{ issuing: CryptoSides; verifying: CryptoSides }> {
  const issuing = await gatekeeper();
  await issuing.issuer.ensureKeys();
  const verifying = await anonymizer(await issuing.listen());
  await verifying.verifier.poll();
  return { issuing, verifying };
}

describe('GET /.well-known/private-token-issuer-directory', () => {
  it('answers the same to every client, cacheable for five minutes', async () => {
    const service = await gatekeeper();
    await service.issuer.ensureKeys();
    const answers = [
      await directoryOf(service),
      await directoryOf(service, {
        'user-agent': 'x',
        'accept-language': 'de',
        authorization: 'Bearer y',
        cookie: 'z=1',
      }),
    ];
    for (const { statusCode, headers } of answers) {
      expect(statusCode).toBe(200);
      expect(headers['content-type']).toBe('application/private-token-issuer-directory');
      expect(headers['cache-control']).toBe('public, max-age=300');
      expect(headers['set-cookie']).toBeUndefined();
    }
    expect(answers[0]?.body).toBe(answers[1]?.body);
    expect(answers[0]?.headers.etag).toBe(answers[1]?.headers.etag);
  });

  it('answers 304 without a body when the ETag matches', async () => {
    const service = await gatekeeper();
    await service.issuer.ensureKeys();
    const { etag } = (await directoryOf(service)).headers;
    if (typeof etag !== 'string') throw new Error('no ETag');
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await directoryOf(service, { 'if-none-match': known });
      expect([answer.statusCode, answer.body, answer.headers.etag]).toEqual([304, '', etag]);
    }
    for (const other of ['"other"', etag.slice(1, -1), '']) {
      expect((await directoryOf(service, { 'if-none-match': other })).statusCode).toBe(200);
    }
    await service.issuer.retire(service.issuer.signingKey().keyId);
    expect((await directoryOf(service, { 'if-none-match': etag })).statusCode).toBe(200);
  });

  it('answers 503 rather than an empty list while no key is known', async () => {
    const answer = await directoryOf(await anonymizer('http://127.0.0.1:9'));
    expect(answer.statusCode).toBe(503);
    expect(answer.headers).toMatchObject({
      'content-type': expect.stringContaining('application/problem+json') as string,
      'cache-control': 'no-store',
    });
    expect(answer.json()).toMatchObject({ code: 'unavailable' });
  });

  it('accepts no other method', async () => {
    const service = await gatekeeper();
    const answer = await service.app.inject({ method: 'POST', url: directoryPath, payload: {} });
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([405, 'method_not_allowed']);
  });

  it('answers the same on both sides, byte for byte, through retirement and rollover', async () => {
    const { issuing, verifying } = await startBothSides();
    const compare = async () => {
      const [ours, theirs] = [await directoryOf(issuing), await directoryOf(verifying)];
      expect(theirs.body).toBe(ours.body);
      expect(theirs.headers.etag).toBe(ours.headers.etag);
      return parseDirectory(ours.json()).keys.length;
    };
    expect(await compare()).toBe(2);
    await issuing.issuer.retire(issuing.issuer.signingKey().keyId);
    await verifying.verifier.poll();
    expect(await compare()).toBe(3);
    clock.advance(24 * 3_600_000);
    await issuing.identityMaintenance.runOnce('issuer-keys');
    await verifying.verifier.poll();
    expect(await compare()).toBe(4);
    clock.advance(24 * 3_600_000);
    await issuing.identityMaintenance.runOnce('issuer-keys');
    await verifying.verifier.poll();
    // The retired key and its replacement have expired together, at ten past midnight.
    expect(await compare()).toBe(3);
  });

  it('differs between the sides once the anonymizer’s operator denies a key that the issuer still lists', async () => {
    const { issuing, verifying } = await startBothSides();
    await verifying.verifier.deny(issuing.issuer.signingKey().keyId);
    expect((await directoryOf(verifying)).body).not.toBe((await directoryOf(issuing)).body);
  });

  it('answers when both sides run in one process, and the verifier reads it there', async () => {
    const service = await both();
    await service.start();
    expect((await directoryOf(service)).statusCode).toBe(200);
    expect((await service.verifier.find(service.issuer.signingKey().keyId)).status).toBe('known');
    expect(service.verifier.directoryKeys()).toHaveLength(2);
  });

  it('never gives the verifier an empty list in one process, even before the issuer has started', async () => {
    const service = await both();
    await service.verifier.poll();
    expect(service.verifier.directoryKeys()).toHaveLength(2);
  });
});

describe('another Privacy Pass client implementation', () => {
  const issued = async (service: CryptoSides): Promise<Token> => {
    const document = (await directoryOf(service)).json<DirectoryDocument>();
    const now = clock.now().getTime() / 1000;
    const entry = document['token-keys'].find((key) => 'not-before' in key && key['not-before'] <= now);
    const spki = decodeBase64url(entry !== undefined && 'token-key' in entry ? entry['token-key'] : '');
    const challenge = TokenChallenge.deserialize(
      new Uint8Array(decodeBase64url(document['token-challenge']) ?? Buffer.alloc(0)),
    );
    expect([challenge.issuerName, challenge.originInfo]).toEqual(['issuer.example', ['vpn.example']]);
    const client = new publicVerif.Client(publicVerif.BlindRSAMode.PSS);
    const request = await client.createTokenRequest(challenge, new Uint8Array(spki ?? Buffer.alloc(0)));
    const parsed = parseTokenRequest(Buffer.from(request.serialize()));
    const key = service.issuer.keyForTruncated(parsed?.truncatedKeyId ?? -1);
    if (parsed === undefined || key === undefined) throw new Error('the request names no key');
    const response = key.blindSign(parsed.blindedMessage);
    return client.finalize(client.deserializeTokenResponse(new Uint8Array(response)));
  };

  it('reads the key from the directory and gets a token that the verifier accepts', async () => {
    const { issuing, verifying } = await startBothSides();
    const parts = splitToken(Buffer.from((await issued(issuing)).serialize()));
    const keyId = parts === undefined ? undefined : parseTokenInput(parts.token)?.keyId;
    const answer = await verifying.verifier.find(keyId ?? Buffer.alloc(0));
    if (parts === undefined || answer.status !== 'known') throw new Error('the key is not known');
    expect(answer.key.verifies(parts.token, parts.signature)).toBe(true);
  });

  it('gets its token refused once the key is retired and the verifier has read the directory again', async () => {
    const { issuing, verifying } = await startBothSides();
    const parts = splitToken(Buffer.from((await issued(issuing)).serialize()));
    const keyId = parseTokenInput(parts?.token ?? Buffer.alloc(0))?.keyId ?? Buffer.alloc(0);
    await issuing.issuer.retire(keyId);
    expect((await verifying.verifier.find(keyId)).status).toBe('known');
    await verifying.verifier.poll();
    expect((await verifying.verifier.find(keyId)).status).toBe('denied');
  });
});
