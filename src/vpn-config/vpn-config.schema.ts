import { z } from 'zod';
import { base64urlBytes, signatureBytes, tokenBytes } from '../crypto/index.js';
import { locationId, wireguardPublicKey } from '../nodes/index.js';

export const redemptionBody = z.strictObject({
  token: base64urlBytes(tokenBytes)
    .optional()
    .describe('The token: 98 bytes, base64url. Send it here with `signature`, or both in Authorization.'),
  signature: base64urlBytes(signatureBytes)
    .optional()
    .describe('The unblinded signature of the token: 256 bytes, base64url.'),
  location: locationId,
  public_key: wireguardPublicKey
    .optional()
    .describe(
      'The WireGuard public key of a fresh key pair. Without it the server generates a pair, and losing the response may cost the token.',
    ),
  dns_blocking: z.enum(['none', 'ads', 'ads_trackers_malware']).default('none'),
});

export type RedemptionBody = z.output<typeof redemptionBody>;

export const redemptionResponse = z.strictObject({
  wireguard_conf: z
    .string()
    .describe('Configuration for wg-quick. It has no PrivateKey when the request had a `public_key`.'),
  connection_id: z.uuid(),
  connection_secret: z.string().describe('Bearer token for GET and DELETE /vpn/connection. A retry gets the same one.'),
  expires_at: z.string().describe('When the connection ends: a full hour, 24 to 25 hours after it began.'),
  location: z.string(),
  endpoint: z.string(),
  endpoint_v6: z.string().optional(),
  server_public_key: z.string(),
  preshared_key: z.string(),
  public_key: z.string(),
  private_key: z
    .string()
    .optional()
    .describe('Only when the request had no `public_key`. The server does not store it.'),
  addresses: z.array(z.string()),
  dns: z.array(z.string()),
  allowed_ips: z.array(z.string()),
  mtu: z.int(),
  persistent_keepalive: z.int(),
});

export type RedemptionResponse = z.output<typeof redemptionResponse>;
