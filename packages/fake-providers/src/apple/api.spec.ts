import { GetTransactionHistoryVersion, type HistoryResponse, Order } from '@apple/app-store-server-library';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AppleBench, appleClient, appleProducts, startApple } from '../testing/apple.js';

let bench: AppleBench;
beforeEach(async () => {
  bench = await startApple({ retry: { firstMs: 1, factor: 1, attempts: 4 } });
});
afterEach(() => bench.fake.close());

const { basic, plus } = appleProducts;
const now = () => bench.fake.now().getTime();
const v2 = GetTransactionHistoryVersion.V2;

describe('App Store Server API of FakeApple', () => {
  it('accepts only tokens that its API key signed for its app', async () => {
    const { transactionId } = bench.fake.buy();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = bench.fake.apiKey;
    const unauthorizedClients = [
      appleClient(bench.fake, { ...key, privateKey: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) }),
      appleClient(bench.fake, { ...key, keyId: 'OTHER' }),
      appleClient(bench.fake, { ...key, issuerId: crypto.randomUUID() }),
      appleClient(bench.fake, key, 'com.example.other'),
    ];
    for (const client of unauthorizedClients) {
      await expect(client.getTransactionInfo(transactionId)).rejects.toMatchObject({ httpStatusCode: 401 });
    }
    expect((await fetch(`${bench.fake.url}/inApps/v1/transactions/${transactionId}`)).status).toBe(401);
    expect((await bench.client.getTransactionInfo(transactionId)).signedTransactionInfo).toBeDefined();
  });

  it('finds all subscriptions of an Apple account by any of its transactions', async () => {
    const { originalTransactionId, transactionId } = bench.fake.buy({ account: 'a' });
    bench.fake.buy({ account: 'b' });
    bench.fake.advanceDays(7);
    const { data } = await bench.client.getAllSubscriptionStatuses(transactionId);
    expect(data).toMatchObject([
      { subscriptionGroupIdentifier: basic.group, lastTransactions: [{ originalTransactionId, status: 1 }] },
    ]);
    expect((await bench.client.getAllSubscriptionStatuses(transactionId, [2])).data).toEqual([]);
  });

  it('refuses unknown transactions, malformed ids and unknown endpoints', async () => {
    const client = bench.client;
    const unknown = { httpStatusCode: 404, apiError: 4040010 };
    await expect(client.getTransactionInfo('1')).rejects.toMatchObject(unknown);
    await expect(client.getAllSubscriptionStatuses('1')).rejects.toMatchObject(unknown);
    await expect(client.getTransactionInfo('abc')).rejects.toMatchObject({ httpStatusCode: 400, apiError: 4000006 });
    await expect(client.lookUpOrderId('M1')).rejects.toMatchObject({ httpStatusCode: 404 });
  });

  it('pages through a transaction history by twenty, in either order', async () => {
    const { originalTransactionId: id } = bench.fake.buy({ product: plus.id });
    bench.fake.advanceTo(new Date('2032-01-15T00:00:00Z'));
    const dates: number[] = [];
    let revision: string | null = null;
    let pages = 0;
    for (let more = true; more; pages += 1) {
      const page: HistoryResponse = await bench.client.getTransactionHistory(id, revision, {}, v2);
      for (const signed of page.signedTransactions ?? []) {
        dates.push((await bench.verifier().verifyAndDecodeTransaction(signed)).purchaseDate ?? 0);
      }
      revision = page.revision ?? null;
      more = page.hasMore === true;
    }
    expect([dates.length, pages]).toEqual([25, 2]);
    expect(dates).toEqual(dates.toSorted((a, b) => a - b));
    // The last revision leads to later transactions only.
    expect((await bench.client.getTransactionHistory(id, revision, {}, v2)).signedTransactions).toEqual([]);

    const latest = { sort: Order.DESCENDING, productIds: [plus.id], startDate: Date.parse('2031-12-01') };
    const { signedTransactions } = await bench.client.getTransactionHistory(id, null, latest, v2);
    expect(signedTransactions).toHaveLength(2);
    await expect(bench.client.getTransactionHistory(id, 'nonsense', {}, v2)).rejects.toMatchObject({
      apiError: 4000005,
    });
  });

  it.each([
    [
      { kind: 'status', status: 429 },
      { httpStatusCode: 429, apiError: 4290000 },
    ],
    [
      { kind: 'status', status: 500 },
      { httpStatusCode: 500, apiError: 5000000 },
    ],
    [{ kind: 'refuse' }, { name: 'FetchError' }],
    [{ kind: 'lose-answer' }, { name: 'FetchError' }],
  ] as const)('fails with an injected fault: %j', async (fault, error) => {
    const { transactionId } = bench.fake.buy();
    bench.fake.inject(fault, { times: 1 });
    await expect(bench.client.getTransactionInfo(transactionId)).rejects.toMatchObject(error);
    await bench.client.getTransactionInfo(transactionId);
  });
});

describe('server notifications of FakeApple', () => {
  let server: Server;
  let received: string[];
  let answer: () => number;
  beforeEach(async () => {
    received = [];
    answer = () => 200;
    server = createServer((request, response) => {
      void (async () => {
        let body = '';
        for await (const chunk of request) body += String(chunk);
        received.push((JSON.parse(body) as { signedPayload: string }).signedPayload);
        response.writeHead(answer()).end();
      })();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    bench.fake.setNotificationUrl(`http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/apple`);
  });
  afterEach(() => server.close());
  const settled = () => bench.fake.deliveriesSettled();
  const types = () =>
    Promise.all(
      received.map(async (one) => (await bench.verifier().verifyAndDecodeNotification(one)).notificationType),
    );

  it('contain a transaction and renewal info, each signed separately', async () => {
    const { originalTransactionId } = bench.fake.buy();
    await settled();
    const { payload, transaction, renewal } = await bench.decode(received[0] ?? '');
    expect(payload).toMatchObject({ notificationType: 'SUBSCRIBED', subtype: 'INITIAL_BUY', version: '2.0' });
    expect(payload.notificationUUID).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
    expect([transaction.originalTransactionId, renewal.originalTransactionId]).toEqual([
      originalTransactionId,
      originalTransactionId,
    ]);
  });

  it('are sent until the backend accepts them, and the history lists each attempt', async () => {
    let refusals = 2;
    answer = () => (refusals-- > 0 ? 500 : 200);
    bench.fake.buy();
    await settled();
    expect(new Set(received).size).toBe(1);
    const range = { startDate: now(), endDate: now() };
    const { notificationHistory } = await bench.client.getNotificationHistory(null, range);
    expect(notificationHistory?.[0]?.sendAttempts?.map((one) => one.sendAttemptResult)).toEqual([
      'UNSUCCESSFUL_HTTP_RESPONSE_CODE',
      'UNSUCCESSFUL_HTTP_RESPONSE_CODE',
      'SUCCESS',
    ]);
    expect(
      (await bench.client.getNotificationHistory(null, { ...range, onlyFailures: true })).notificationHistory,
    ).toEqual([]);
  });

  it('stay in the history when all attempts failed', async () => {
    answer = () => 503;
    const { originalTransactionId } = bench.fake.buy({ account: 'a' });
    bench.fake.buy({ account: 'b' });
    await settled();
    expect(received).toHaveLength(8);
    const failures = { startDate: now(), endDate: now(), onlyFailures: true };
    expect((await bench.client.getNotificationHistory(null, failures)).notificationHistory).toHaveLength(2);
    const ofOne = await bench.client.getNotificationHistory(null, {
      ...failures,
      transactionId: originalTransactionId,
    });
    expect(ofOne.notificationHistory?.map(({ signedPayload }) => signedPayload)).toEqual([received[0]]);
  });

  it('have a history in pages of twenty that reaches back 180 days', async () => {
    for (let n = 0; n < 21; n += 1) bench.fake.buy();
    const range = { startDate: now(), endDate: now() };
    const first = await bench.client.getNotificationHistory(null, range);
    expect([first.notificationHistory?.length, first.hasMore]).toEqual([20, true]);
    const second = await bench.client.getNotificationHistory(first.paginationToken ?? '', range);
    expect([second.notificationHistory?.length, second.hasMore]).toEqual([1, false]);
    expect(second).not.toHaveProperty('paginationToken');
    const expectRefusal = (request: Partial<typeof range>) =>
      expect(bench.client.getNotificationHistory(null, { ...range, ...request })).rejects;
    await expectRefusal({ startDate: now() - 181 * 86_400_000 }).toMatchObject({ apiError: 4000012 });
    await expectRefusal({ startDate: now() + 1 }).toMatchObject({ apiError: 4000013 });
    await expect(bench.client.getNotificationHistory('x', range)).rejects.toMatchObject({ apiError: 4000014 });
  });

  it('can be dropped, duplicated and shuffled, or held and released in any order', async () => {
    bench.fake.setDeliveryFaults({ drop: 0.3, duplicate: 0.3, shuffle: 8 });
    for (let n = 0; n < 30; n += 1) bench.fake.buy();
    await settled();
    const distinct = new Set(received).size;
    expect(distinct).toBeGreaterThan(10);
    expect(distinct).toBeLessThan(30);
    expect(received.length).toBeGreaterThan(distinct);

    bench.fake.setDeliveryFaults({});
    received = [];
    bench.fake.holdDeliveries();
    const { originalTransactionId } = bench.fake.buy();
    bench.fake.setAutoRenew(originalTransactionId, false);
    bench.fake.refund(originalTransactionId);
    bench.fake.releaseDeliveries((ids) => [ids[2], ids[0], ids[0]].map(String));
    await settled();
    expect(await types()).toEqual(['REFUND', 'SUBSCRIBED', 'SUBSCRIBED']);
  });

  it('include a test notification on request', async () => {
    const { testNotificationToken: token = '' } = await bench.client.requestTestNotification();
    await settled();
    expect(await types()).toEqual(['TEST']);
    const { sendAttempts } = await bench.client.getTestNotificationStatus(token);
    expect(sendAttempts).toMatchObject([{ sendAttemptResult: 'SUCCESS' }]);
    await expect(bench.client.getTestNotificationStatus('none')).rejects.toMatchObject({ apiError: 4040008 });
  });
});

describe('FakeApple', () => {
  it('refuses a test notification while no notification URL is set', async () => {
    await expect(bench.client.requestTestNotification()).rejects.toMatchObject({ apiError: 4040007 });
  });

  it('gives the same ids for the same seed', async () => {
    const ids = async (seed: string) => {
      const other = await startApple({ seed });
      const id = other.fake.buy().transactionId;
      await other.fake.close();
      return id;
    };
    expect(await ids('a')).toBe(await ids('a'));
    expect(await ids('a')).not.toBe(await ids('b'));
  });

  it('keeps its state in the data folder, except the certificate chain, and continues after a restart', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'apple-'));
    const first = await startApple({ dataDir });
    const { originalTransactionId: id } = first.fake.buy({ product: plus.id });
    first.fake.breakBilling(id);
    await first.fake.close();
    const second = await startApple({ dataDir });
    second.fake.advanceDays(31);
    expect(await second.sentNotifications()).toEqual(['SUBSCRIBED/INITIAL_BUY 1', 'DID_FAIL_TO_RENEW/GRACE_PERIOD 4']);
    expect(second.fake.buy().transactionId).not.toBe(id);
    await second.fake.close();
    rmSync(dataDir, { recursive: true });
  });
});
