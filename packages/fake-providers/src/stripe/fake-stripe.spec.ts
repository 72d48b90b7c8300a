import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Stripe from 'stripe';
import { afterEach, describe, expect, it } from 'vitest';
import { startStripe } from '../testing/stripe.js';
import { startFakeStripe } from './index.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe('FakeStripe', () => {
  it('keeps its state in the data folder, and continues after a restart', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'stripe-'));
    folders.push(dataDir);
    const first = await startStripe({ dataDir });
    const { id, customer } = await first.subscribe({ card: '4000000000000341', trialDays: 7 });
    const { secret } = first.fake.deliverTo('http://127.0.0.1:9/webhooks');
    first.fake.advanceDays(3);
    const time = first.fake.now();
    await first.fake.close();

    const { fake, stripe } = await startStripe({ dataDir });
    expect(fake.now()).toEqual(time);
    fake.advanceTo(new Date('2030-01-08T13:00:00Z'));
    expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: 'past_due', customer });
    expect(fake.deliverTo('http://127.0.0.1:9/webhooks').secret).toBe(secret);
    expect((await stripe.webhookEndpoints.list()).data).toHaveLength(1);
    const { data } = await stripe.customers.list();
    expect(new Set([...data.map((one) => one.id), (await stripe.customers.create()).id]).size).toBe(data.length + 1);
    await fake.close();
  });

  it('can run in live mode', async () => {
    const fake = await startFakeStripe({ livemode: true });
    const stripe = new Stripe(fake.apiKey, fake.connection);
    expect(fake.apiKey).toMatch(/^sk_live_/);
    expect((await stripe.customers.create()).livemode).toBe(true);
    await fake.close();
  });

  it('refuses to move time back', async () => {
    const { fake } = await startStripe();
    expect(() => fake.advanceTo(new Date('2029-12-31'))).toThrow('later than');
    await fake.close();
  });
});
