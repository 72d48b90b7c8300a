import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { patiently } from '../support/patiently.js';
import { startPayments, type TestPayments } from '../support/payments.js';

let payments: TestPayments;
beforeAll(async () => {
  payments = await startPayments();
});
afterAll(() => payments.stop());

let before: number;
const countEvents = async () => {
  const [row] = await payments.sql<{ n: number }>(`SELECT count(*)::int AS n FROM identity."WebhookEvent"`);
  return row?.n ?? 0;
};
beforeEach(async () => {
  await payments.settled();
  before = await countEvents();
});

const app = { bundleId: 'com.example.vpn', environment: 'Sandbox' };

/** What Apple signs inside a notification. */
const transaction = (changes: object = {}) =>
  payments.apple.sign({
    ...app,
    originalTransactionId: '1',
    transactionId: '1',
    signedDate: payments.clock.now().getTime(),
    ...changes,
  });

const payload = (changes: object = {}, data: object = {}) => ({
  notificationType: 'DID_RENEW',
  notificationUUID: crypto.randomUUID(),
  version: '2.0',
  signedDate: payments.clock.now().getTime(),
  data: { ...app, status: 1, signedTransactionInfo: transaction(), ...data },
  ...changes,
});

async function deliver(signedPayload: string): Promise<[number, string | undefined]> {
  const response = await patiently(() => payments.post('/payment/webhooks/apple', {}, { signedPayload }));
  const { code } = (await response.json()) as { code?: string };
  return [response.status, code];
}

const accepted = [200, undefined];
const signed = (...given: Parameters<typeof payload>) => payments.apple.sign(payload(...given));

describe('POST /payment/webhooks/apple', () => {
  it('stores only the type of a notification and the transaction that it names', async () => {
    expect(await deliver(signed())).toEqual(accepted);
    expect(await countEvents()).toBe(before + 1);
    expect(await payments.sql(`SELECT type, object_ref FROM identity."WebhookEvent" ORDER BY id DESC LIMIT 1`)).toEqual(
      [{ type: 'DID_RENEW', object_ref: '1' }],
    );
  });

  it('stores a notification once, however often it is delivered', async () => {
    const one = signed();
    const answers = await Promise.all(Array.from({ length: 50 }, () => deliver(one)));
    expect(answers).toEqual(Array.from({ length: 50 }, () => accepted));
    expect(await countEvents()).toBe(before + 1);
  });

  it('acknowledges a notification that is not about a subscription, without storing it', async () => {
    expect(await deliver(signed({ notificationType: 'TEST' }, { signedTransactionInfo: undefined }))).toEqual(accepted);
    expect(await countEvents()).toBe(before);
  });
});

describe('POST /payment/webhooks/apple with invalid data', () => {
  it.each<[string, () => string, string]>([
    ['an altered payload', () => tampered(signed()), 'webhook_signature_invalid'],
    [
      'another certificate chain',
      () => payments.apple.sign(payload(), { x5c: ['AAAA', 'BBBB', 'CCCC'] }),
      'webhook_signature_invalid',
    ],
    ['no certificate chain', () => payments.apple.sign(payload(), { x5c: [] }), 'webhook_signature_invalid'],
    ['no algorithm', () => payments.apple.sign(payload(), { alg: 'none' }), 'webhook_signature_invalid'],
    [
      'an altered transaction inside',
      () => signed({}, { signedTransactionInfo: tampered(transaction()) }),
      'webhook_signature_invalid',
    ],
    [
      'an altered renewal inside',
      () => signed({}, { signedRenewalInfo: tampered(transaction()) }),
      'webhook_signature_invalid',
    ],
    [
      'a transaction of another app inside',
      () => signed({}, { signedTransactionInfo: transaction({ bundleId: 'com.example.other' }) }),
      'webhook_signature_invalid',
    ],
    [
      'a transaction of another environment inside',
      () => signed({}, { signedTransactionInfo: transaction({ environment: 'Production' }) }),
      'webhook_wrong_environment',
    ],
    ['another app', () => signed({}, { bundleId: 'com.example.other' }), 'webhook_signature_invalid'],
    ['another environment', () => signed({}, { environment: 'Production' }), 'webhook_wrong_environment'],
    [
      'the unsigned environment for local testing',
      () => payments.apple.sign(payload({}, { environment: 'LocalTesting' }), { x5c: [] }),
      'webhook_signature_invalid',
    ],
    [
      'a date two minutes ahead',
      () => signed({ signedDate: payments.clock.now().getTime() + 120_000 }),
      'webhook_signature_invalid',
    ],
    ['no id', () => signed({ notificationUUID: undefined }), 'webhook_signature_invalid'],
  ])('refuses %s, and stores nothing', async (_what, make, code) => {
    expect(await deliver(make())).toEqual([400, code]);
    expect(await countEvents()).toBe(before);
  });

  it.each([{}, { signedPayload: 1 }, { signedPayload: 'x' }, { signedPayload: 'a.b.c.d' }])(
    'refuses the body %o',
    async (body) => {
      expect((await payments.post('/payment/webhooks/apple', {}, body)).status).toBe(400);
      expect(await countEvents()).toBe(before);
    },
  );
});

describe('Apple’s OCSP responder', () => {
  it('makes claims and notifications fail with 503 while it is down', async () => {
    const fresh = await startPayments();
    try {
      fresh.apple.setOcsp('down');
      fresh.apple.buy({ product: appleProducts.plus.id });
      const { signedTransaction } = fresh.apple.buy({ product: appleProducts.plus.id });
      const user = await fresh.signIn();
      const answer = await fresh.post('/payment/apple/transactions', user.headers, { signedTransaction });
      expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
        503,
        'payment_provider_unavailable',
      ]);
      fresh.apple.setOcsp('good');
      fresh.apple.retryDeliveriesNow();
      await fresh.settled();
      expect(await fresh.sql(`SELECT DISTINCT reason FROM identity."WebhookEvent"`)).toEqual([
        { reason: 'unknown_account' },
      ]);
    } finally {
      await fresh.stop();
    }
  });

  it('makes the service refuse what a revoked certificate has signed', async () => {
    const fresh = await startPayments();
    try {
      fresh.apple.setOcsp('revoked');
      const { signedTransaction } = fresh.apple.buy({ product: appleProducts.plus.id });
      const user = await fresh.signIn();
      const answer = await fresh.post('/payment/apple/transactions', user.headers, { signedTransaction });
      expect(answer.status).toBe(422);
    } finally {
      await fresh.stop();
    }
  });
});

/** Changes the payload and keeps the signature. */
function tampered(jws: string): string {
  const [header = '', body = '', signature = ''] = jws.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object;
  const changed = Buffer.from(JSON.stringify({ ...claims, extra: true })).toString('base64url');
  return `${header}.${changed}.${signature}`;
}
