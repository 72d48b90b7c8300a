import { type MintedToken } from '../support/minted-tokens.js';
import { wireguardKey } from '../support/fleet.js';
import { type Answer, ask, untilAnswered } from './asking.js';
import { frankfurt } from './nodes.js';

/** One client's wish to spend a token: the same whenever it tries. */
export interface Spend extends MintedToken {
  readonly location: string;
  /** Absent when the service is to make the keys. */
  readonly public_key?: string;
}

export interface SpendAnswer extends Answer {
  readonly connection_id?: string;
  readonly connection_secret?: string;
  readonly public_key?: string;
  readonly preshared_key?: string;
  readonly private_key?: string;
  readonly addresses?: readonly string[];
}

export function spendOf({ token, signature }: MintedToken, location = frankfurt): Spend & { public_key: string } {
  return { token, signature, location, public_key: wireguardKey() };
}

export async function redeem(url: string, spend: Spend): Promise<SpendAnswer> {
  return ask(`${url}/vpn/config`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(spend),
  });
}

export async function redeemUntilAnswered(urls: readonly string[], spend: Spend, first = 0): Promise<SpendAnswer> {
  return untilAnswered(urls, (url) => redeem(url, spend), first);
}

export async function disconnect(url: string, secret = ''): Promise<Answer> {
  return ask(`${url}/vpn/connection`, { method: 'DELETE', headers: { authorization: `Bearer ${secret}` } });
}
