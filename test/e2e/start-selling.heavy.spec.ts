import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { endWithThisProcess } from '../../dev/services/reaper.js';
import { freePort } from '../../dev/services/server-process.js';
import { operatorOf } from '../../dev/stack/operator.js';

// Follows the instructions that `npm start` prints, up to a paid subscription.

const timeout = 300_000;

const json = async <T>(response: Promise<Response>) => (await response).json() as Promise<T>;
const sent = (body: object, headers: Readonly<Record<string, string>> = {}) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(body),
});

describe('npm start', { timeout: 2 * timeout }, () => {
  it('sells a subscription: an operator sets the price, a user pays on the page of Stripe, and has access', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'start-selling-'));
    const child = spawn(process.execPath, ['dev/run.mjs', 'start'], {
      env: {
        ...process.env,
        NODE_ENV: '',
        PORT: String(await freePort()),
        METRICS_PORT: String(await freePort()),
        DATA_DIR: dataDir,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    endWithThisProcess(child.pid, 'SIGTERM');
    const exit = once(child, 'close');
    try {
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await expect.poll(() => output, { timeout, interval: 50 }).toContain('Ctrl-C stops everything.');
      const [, url = ''] = /service answers at (\S+)/.exec(output) ?? [];
      const [, signUp = ''] = /'(http\S+accounts:signUp\?key=any)'/.exec(output) ?? [];
      const [, price = ''] = /plans price standard --stripe (\S+)/.exec(output) ?? [];
      const [, returnUrl = ''] = /"successUrl":"([^"]+)"/.exec(output) ?? [];

      const lines = readFileSync(join(dataDir, 'service.env'), 'utf8').trim().split('\n');
      const env = Object.fromEntries(lines.map((line) => /^([^=]+)=(.*)$/.exec(line)?.slice(1) ?? [])) as Record<
        string,
        string
      >;
      await operatorOf(env)('plans', 'price', 'standard', '--stripe', price);

      const account = { email: 'ada@example.com', password: 'correct horse', returnSecureToken: true };
      const { idToken } = await json<{ idToken: string }>(fetch(signUp, sent(account)));
      const headers = { authorization: `Bearer ${idToken}` };
      const order = { planId: 'standard', interval: 'month', successUrl: returnUrl, cancelUrl: returnUrl };
      const checkout = await json<{ url: string }>(fetch(`${url}/payment/checkout`, sent(order, headers)));
      const paid = await fetch(checkout.url, {
        method: 'POST',
        body: new URLSearchParams({ card: '4242424242424242', email: account.email }),
        redirect: 'manual',
      });
      expect([paid.status, paid.headers.get('location')]).toEqual([303, returnUrl]);
      const report = () => json<object>(fetch(`${url}/subscription`, { headers }));
      await expect.poll(report, { timeout: 60_000 }).toMatchObject({ active: true, state: 'ACTIVE' });
    } finally {
      child.kill('SIGTERM');
      await exit;
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
