import { wireguardKey } from '../support/fleet.js';
import { type MintedToken } from '../support/minted-tokens.js';
import { frankfurt } from './nodes.js';
import { type Answer, retryUntilAnswered, send } from './requests.js';

/** The body of a client's `POST /vpn/config`. Retries send the same one. */
export interface RedemptionRequest extends MintedToken {
  readonly location: string;
  /** Absent when the service generates the key pair. */
  readonly public_key?: string;
}

export interface RedemptionAnswer extends Answer {
  readonly connection_id?: string;
  readonly connection_secret?: string;
  readonly public_key?: string;
  readonly preshared_key?: string;
  readonly private_key?: string;
  readonly addresses?: readonly string[];
}

/** A request to redeem this token with a new WireGuard key. */
export function redemptionRequestFor(
  { token, signature }: MintedToken,
  location = frankfurt,
): RedemptionRequest & { public_key: string } {
  return { token, signature, location, public_key: wireguardKey() };
}

export async function redeem(url: string, request: RedemptionRequest): Promise<RedemptionAnswer> {
  return send(`${url}/vpn/config`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
}

export async function redeemUntilAnswered(
  urls: readonly string[],
  request: RedemptionRequest,
  firstUrl = 0,
): Promise<RedemptionAnswer> {
  return retryUntilAnswered(urls, (url) => redeem(url, request), firstUrl);
}

export async function disconnect(url: string, secret = ''): Promise<Answer> {
  return send(`${url}/vpn/connection`, { method: 'DELETE', headers: { authorization: `Bearer ${secret}` } });
}
