import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type AppleBench,
  appleProducts,
  startApple,
  startStripe,
  type StripeBench,
} from '@vpn-backend/fake-providers/testing';
import { AppleClient } from '../apple/apple.client.js';
import { StripeClient } from '../stripe/stripe.client.js';

/** The two clients by themselves, with shorter timeouts than in the service. */

/** Long enough for an answer on a busy machine. */
const longTimeoutMs = 5_000;
const shortTimeoutMs = 50;

let stripe: StripeBench;
let apple: AppleBench;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'apple-root-'));
  [stripe, apple] = await Promise.all([startStripe(), startApple()]);
  writeFileSync(join(folder, 'root.pem'), new X509Certificate(apple.fake.rootCertificate).toString());
});
afterAll(async () => {
  await Promise.all([stripe.fake.close(), apple.fake.close()]);
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  stripe.fake.clearFaults();
  apple.fake.clearFaults();
});

const stripeClient = (timeoutMs: number, apiUrl = stripe.fake.url) => {
  const settings = { secretKey: stripe.fake.apiKey, webhookSecrets: [], livemode: false, returnUrls: [] };
  return new StripeClient({ ...settings, apiUrl }, timeoutMs);
};
const appleClient = (timeoutMs: number) => {
  const { bundleId, appAppleId: appId, environment, apiKey, url } = apple.fake;
  const api = { url, caFile: join(folder, 'root.pem') };
  return new AppleClient({ bundleId, appId, environment, ...apiKey, api }, timeoutMs);
};

describe('StripeClient', () => {
  it('throws ProviderUnavailable when Stripe does not answer in time', async () => {
    const customer = await stripe.customer();
    stripe.fake.inject({ kind: 'hang' });
    const call = stripeClient(shortTimeoutMs).billingOf(customer);
    await expect(call).rejects.toMatchObject({ name: 'ProviderUnavailable', provider: 'stripe' });
    stripe.fake.clearFaults();
    expect(await stripeClient(longTimeoutMs).billingOf(customer)).toMatchObject({ subscriptions: [] });
  });

  it('reads a list of more than ten thousand objects to its end', async () => {
    const many = 10_050;
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://stripe');
      const after = Number(searchParams.get('starting_after')?.replace('ch_', '') ?? 0);
      const count = pathname === '/v1/charges' ? Math.min(100, many - after) : 0;
      const data = Array.from({ length: count }, (_, index) => ({ id: `ch_${after + index + 1}`, object: 'charge' }));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ object: 'list', url: pathname, data, has_more: count > 0 && after + count < many }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const { charges } = await stripeClient(longTimeoutMs, `http://127.0.0.1:${port}`).billingOf('cus_many');
      expect(new Set(charges.map(({ id }) => id)).size).toBe(many);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

describe('AppleClient', () => {
  it('throws ProviderUnavailable when Apple does not answer in time', async () => {
    const { originalTransactionId } = apple.fake.buy({ product: appleProducts.plus.id });
    apple.fake.inject({ kind: 'hang' });
    const call = appleClient(shortTimeoutMs).subscription(originalTransactionId);
    await expect(call).rejects.toMatchObject({ name: 'ProviderUnavailable', provider: 'apple' });
    apple.fake.clearFaults();
    expect(await appleClient(longTimeoutMs).subscription(originalTransactionId)).toMatchObject({ status: 1 });
  });
});
