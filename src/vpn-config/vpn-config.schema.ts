import { z } from 'zod';
import { base64urlBytes, signatureBytes, tokenBytes } from '../crypto/index.js';
import { locationId, wireguardPublicKey } from '../nodes/index.js';

export const redemptionBody = z.strictObject({
  token: base64urlBytes(tokenBytes).optional().describe('98 bytes, base64url. May be in Authorization instead.'),
  signature: base64urlBytes(signatureBytes).optional().describe('256 bytes, base64url: the unblinded signature.'),
  location: locationId,
  public_key: wireguardPublicKey
    .optional()
    .describe(
      'A fresh WireGuard public key of the client. Without it a pair is made here, and a lost answer may cost the token.',
    ),
  dns_blocking: z.enum(['none', 'ads', 'ads_trackers_malware']).default('none'),
});

export type RedemptionBody = z.output<typeof redemptionBody>;

export const redeemed = z.strictObject({
  wireguard_conf: z.string().describe('What wg-quick reads; without PrivateKey when public_key was sent.'),
  connection_id: z.uuid(),
  connection_secret: z.string().describe('Opens GET and DELETE /vpn/connection. The same again in a retry.'),
  expires_at: z.string().describe('A whole hour, 24 to 25 hours on.'),
  location: z.string(),
  endpoint: z.string(),
  endpoint_v6: z.string().optional(),
  server_public_key: z.string(),
  preshared_key: z.string(),
  public_key: z.string(),
  private_key: z.string().optional().describe('Only when public_key was not sent. Kept nowhere here.'),
  addresses: z.array(z.string()),
  dns: z.array(z.string()),
  allowed_ips: z.array(z.string()),
  mtu: z.int(),
  persistent_keepalive: z.int(),
});

export type Redeemed = z.output<typeof redeemed>;
