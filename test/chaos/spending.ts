import { setTimeout } from 'node:timers/promises';
import { type MintedToken } from '../../bench/tokens.js';
import { wireguardKey } from '../support/fleet.js';
import { frankfurt } from './nodes.js';

/** One client's wish to spend a token: the same whenever it tries. */
export interface Spend extends MintedToken {
  readonly location: string;
  readonly public_key: string;
}

/** What came back; status 0 when nothing did. */
export interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly connection_id?: string;
  readonly connection_secret?: string;
  readonly preshared_key?: string;
}

export function spendOf({ token, signature }: MintedToken, publicKey = wireguardKey()): Spend {
  return { token, signature, location: frankfurt, public_key: publicKey };
}

export async function redeem(url: string, spend: Spend): Promise<Answer> {
  try {
    const response = await fetch(`${url}/vpn/config`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spend),
    });
    return { status: response.status, ...((await response.json()) as object) };
  } catch {
    return { status: 0 };
  }
}

/** Tries again, at one address after the other, until the answer is not "try again". */
export async function redeemUntilAnswered(urls: readonly string[], spend: Spend, first = 0): Promise<Answer> {
  for (let attempt = first; ; attempt += 1) {
    const answer = await redeem(urls[attempt % urls.length] ?? '', spend);
    if (answer.status !== 0 && answer.status !== 503) return answer;
    // As any client would, so that a service that is coming back is not kept busy with refusing.
    await setTimeout(50 * Math.random());
  }
}

/** Runs so many at a time; the results are in the order of the items. */
export async function inParallel<T, R>(width: number, items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await run(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
