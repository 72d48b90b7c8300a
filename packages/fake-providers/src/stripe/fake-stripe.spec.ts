import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Stripe from 'stripe';
import { afterEach, describe, expect, it } from 'vitest';
import { startStripe } from '../testing/stripe.js';
import { startStripeStandIn } from './index.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe('the stand-in', () => {
  it('keeps everything in its data folder, and goes on where it was', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'stripe-'));
    folders.push(dataDir);
    const first = await startStripe({ dataDir });
    const { id, customer } = await first.subscribe({ card: '4000000000000341', trialDays: 7 });
    const { secret } = first.stand.deliverTo('http://127.0.0.1:9/webhooks');
    first.stand.advanceDays(3);
    const time = first.stand.now();
    await first.stand.close();

    const { stand, stripe } = await startStripe({ dataDir });
    expect(stand.now()).toEqual(time);
    stand.advanceTo(new Date('2030-01-08T13:00:00Z'));
    expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: 'past_due', customer });
    expect(stand.deliverTo('http://127.0.0.1:9/webhooks').secret).toBe(secret);
    expect((await stripe.webhookEndpoints.list()).data).toHaveLength(1);
    const { data } = await stripe.customers.list();
    expect(new Set([...data.map((one) => one.id), (await stripe.customers.create()).id]).size).toBe(data.length + 1);
    await stand.close();
  });

  it('can be live', async () => {
    const stand = await startStripeStandIn({ livemode: true });
    const stripe = new Stripe(stand.apiKey, stand.connection);
    expect(stand.apiKey).toMatch(/^sk_live_/);
    expect((await stripe.customers.create()).livemode).toBe(true);
    await stand.close();
  });

  it('does not run time backwards', async () => {
    const { stand } = await startStripe();
    expect(() => stand.advanceTo(new Date('2029-12-31'))).toThrow('later than');
    await stand.close();
  });
});
