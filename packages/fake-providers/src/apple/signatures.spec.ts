import { Environment, VerificationException, VerificationStatus } from '@apple/app-store-server-library';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AppleBench, startApple } from '../testing/apple.js';

let bench: AppleBench;
let signed: string;
beforeAll(async () => {
  bench = await startApple();
  signed = bench.fake.buy().signedTransaction;
});
afterAll(() => bench.fake.close());
afterEach(() => bench.fake.setOcsp('good'));

const failure = async (verified: Promise<unknown>) => {
  const error: unknown = await verified.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof VerificationException ? error.status : error;
};
const chainOf = (jws: string) =>
  (JSON.parse(Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString()) as { x5c: string[] }).x5c;
const transaction = () => ({
  bundleId: bench.fake.bundleId,
  environment: bench.fake.environment,
  signedDate: bench.fake.now().getTime(),
});
const verify = (jws: string, options?: Parameters<AppleBench['verifier']>[0]) =>
  bench.verifier(options).verifyAndDecodeTransaction(jws);

describe('the certificate chain of FakeApple', () => {
  it('has the three certificates that Apple’s verifier requires: P-256 under P-384', async () => {
    const [leaf, intermediate, root] = chainOf(signed).map((one) => new X509Certificate(Buffer.from(one, 'base64')));
    expect(chainOf(signed)).toHaveLength(3);
    expect([leaf, intermediate, root].map((one) => one?.publicKey.asymmetricKeyDetails?.namedCurve)).toEqual([
      'prime256v1',
      'secp384r1',
      'secp384r1',
    ]);
    expect(root?.raw).toEqual(bench.fake.rootCertificate);
    expect(leaf?.infoAccess).toContain(`OCSP - URI:${bench.fake.url}/ocsp`);
    expect(await verify(signed)).toMatchObject({ productId: 'vpn.basic.month', environment: Environment.SANDBOX });
  });
});

describe('Apple’s verifier on FakeApple', () => {
  it('refuses an altered payload and an altered signature', async () => {
    const [header, payload, signature] = signed.split('.');
    const other = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString()) as object;
    const altered = Buffer.from(JSON.stringify({ ...other, productId: 'vpn.plus.month' })).toString('base64url');
    const expected = VerificationStatus.VERIFICATION_FAILURE;
    expect(await failure(verify(`${header}.${altered}.${signature}`))).toBe(expected);
    const flipped = `${signature?.startsWith('A') ? 'B' : 'A'}${signature?.slice(1)}`;
    expect(await failure(verify(`${header}.${payload}.${flipped}`))).toBe(expected);
  });

  it('refuses a chain that is too long, too short, or from another root', async () => {
    const [leaf = '', intermediate = '', root = ''] = chainOf(signed);
    const failureWith = (x5c: string[]) => failure(verify(bench.fake.sign(transaction(), { x5c })));
    // The library reports a wrong length as a wrong certificate.
    expect(await failureWith([leaf, intermediate])).toBe(VerificationStatus.INVALID_CERTIFICATE);
    expect(await failureWith([leaf, intermediate, root, root])).toBe(VerificationStatus.INVALID_CERTIFICATE);
    const other = await startApple({ seed: 'other' });
    const [otherLeaf = ''] = chainOf(other.fake.buy().signedTransaction);
    expect(await failureWith([otherLeaf, intermediate, root])).toBe(VerificationStatus.VERIFICATION_FAILURE);
    const foreign = failure(verify(other.fake.buy().signedTransaction));
    expect(await foreign).toBe(VerificationStatus.VERIFICATION_FAILURE);
    await other.fake.close();
  });

  it('refuses the algorithms none and HS256', async () => {
    for (const alg of ['none', 'HS256']) {
      const forged = bench.fake.sign(transaction(), { alg });
      expect(await failure(verify(forged))).toBe(VerificationStatus.VERIFICATION_FAILURE);
    }
  });

  it('refuses a transaction of another app or another environment', async () => {
    const other = verify(signed, { bundleId: 'com.example.other' });
    expect(await failure(other)).toBe(VerificationStatus.INVALID_APP_IDENTIFIER);
    const production = bench.fake.sign({ ...transaction(), environment: Environment.PRODUCTION });
    expect(await failure(verify(production))).toBe(VerificationStatus.INVALID_ENVIRONMENT);
  });
});

describe('the OCSP responder of FakeApple', () => {
  it('reports certificates as good, through a delegated responder for each issuer', async () => {
    expect(await verify(signed, { online: true })).toMatchObject({ bundleId: bench.fake.bundleId });
  });

  it.each([
    ['revoked', VerificationStatus.FAILURE],
    ['unknown', VerificationStatus.FAILURE],
    // Without an OCSP response the signature can still be valid, so the failure is retryable.
    ['down', VerificationStatus.RETRYABLE_VERIFICATION_FAILURE],
  ] as const)('makes verification fail when it is %s', async (status, expected) => {
    bench.fake.setOcsp(status);
    expect(await failure(verify(signed, { online: true }))).toBe(expected);
  });
});

describe('notifications of FakeApple', () => {
  it('contain appAppleId in production, and not in the sandbox', async () => {
    const production = await startApple({ environment: Environment.PRODUCTION, appAppleId: 42 });
    production.fake.buy();
    const range = { startDate: production.fake.now().getTime(), endDate: production.fake.now().getTime() };
    const [first] = (await production.client.getNotificationHistory(null, range)).notificationHistory ?? [];
    const { payload, transaction } = await production.decode(first?.signedPayload ?? '');
    expect(payload.data).toMatchObject({ appAppleId: 42, environment: 'Production' });
    expect(transaction.environment).toBe('Production');
    const [sandbox] = (await bench.client.getNotificationHistory(null, range)).notificationHistory ?? [];
    expect((await bench.decode(sandbox?.signedPayload ?? '')).payload.data).not.toHaveProperty('appAppleId');
    await production.fake.close();
  });
});
