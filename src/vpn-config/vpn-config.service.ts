import { Injectable } from '@nestjs/common';
import { encodeWireguardKey, resolverAddresses, slotAddresses, tunnelMtu } from '../nodes/index.js';
import { AppError } from '../platform/errors/index.js';
import { tokenOfAuthorization } from './private-token.js';
import { tokenMissing } from './redemption-problems.js';
import { type RedemptionRequest } from './redemption.js';
import { type Redemption, RedemptionService } from './redemption.service.js';
import { TokenChallengeService } from './token-challenge.service.js';
import { type Redeemed, type RedemptionBody } from './vpn-config.schema.js';
import { allowedIps, endpointText, persistentKeepalive, wireguardConfig } from './wireguard-config.js';

/** From a request in either of its two forms to a configuration. */
@Injectable()
export class VpnConfigService {
  constructor(
    private readonly redemptions: RedemptionService,
    private readonly challenge: TokenChallengeService,
  ) {}

  /** @throws {AppError} `token_missing` with a challenge, and whatever redeeming throws */
  async configure(body: RedemptionBody, authorization: string | undefined): Promise<Redeemed> {
    return this.describe(await this.redemptions.redeem(this.requestOf(body, authorization)));
  }

  private requestOf(body: RedemptionBody, authorization: string | undefined): RedemptionRequest {
    const rest = { location: body.location, publicKey: body.public_key, dnsBlocking: body.dns_blocking };
    const inHeader = tokenOfAuthorization(authorization);
    const { token, signature } = body;
    if (inHeader !== undefined && (token ?? signature) !== undefined) {
      throw new AppError('invalid_request', 'token: expected in the body or in Authorization, not in both.');
    }
    if (inHeader === 'malformed') {
      throw new AppError(
        'invalid_request',
        'Authorization: PrivateToken: expected token= with 354 bytes as base64url.',
      );
    }
    if (inHeader !== undefined) return { ...inHeader, ...rest };
    if (token === undefined && signature === undefined) throw tokenMissing(this.challenge.headers());
    if (token === undefined || signature === undefined) {
      throw new AppError(
        'invalid_request',
        `${token === undefined ? 'token' : 'signature'}: expected beside the other.`,
      );
    }
    return { token, signature, ...rest };
  }

  private describe({ connection, node, keys, secret, presharedKey }: Redemption): Redeemed {
    const { id, slot, dnsBlocking, expiresAt } = connection;
    const settings = {
      privateKey: keys.privateKey && encodeWireguardKey(keys.privateKey),
      addresses: slotAddresses(slot),
      dns: resolverAddresses(dnsBlocking),
      serverPublicKey: node.publicKey,
      presharedKey: encodeWireguardKey(presharedKey),
      endpoint: endpointText(node.ip, node.port),
    };
    return {
      wireguard_conf: wireguardConfig(settings),
      connection_id: id,
      connection_secret: secret,
      expires_at: expiresAt.toISOString(),
      location: node.locationId,
      endpoint: settings.endpoint,
      endpoint_v6: node.ipV6 && endpointText(node.ipV6, node.port),
      server_public_key: settings.serverPublicKey,
      preshared_key: settings.presharedKey,
      public_key: encodeWireguardKey(keys.publicKey),
      private_key: settings.privateKey,
      addresses: settings.addresses,
      dns: settings.dns,
      allowed_ips: allowedIps,
      mtu: tunnelMtu,
      persistent_keepalive: persistentKeepalive,
    };
  }
}
