import { Injectable } from '@nestjs/common';
import { encodeWireguardKey, resolverAddresses, slotAddresses, tunnelMtu } from '../nodes/index.js';
import { AppError } from '../platform/errors/index.js';
import { tokenOfAuthorization } from './private-token.js';
import { tokenMissing } from './redemption-problems.js';
import { type RedemptionRequest } from './redemption.js';
import { type Redemption, RedemptionService } from './redemption.service.js';
import { TokenChallengeService } from './token-challenge.service.js';
import { type RedemptionResponse, type RedemptionBody } from './vpn-config.schema.js';
import { allowedIps, endpointText, persistentKeepalive, wireguardConfig } from './wireguard-config.js';

/** Turns a request, with its token in the body or in Authorization, into a WireGuard configuration. */
@Injectable()
export class VpnConfigService {
  constructor(
    private readonly redemptions: RedemptionService,
    private readonly challenge: TokenChallengeService,
  ) {}

  /** @throws {AppError} `token_missing` with a challenge, and what `RedemptionService.redeem` throws */
  async configure(body: RedemptionBody, authorization: string | undefined): Promise<RedemptionResponse> {
    return this.toResponse(await this.redemptions.redeem(this.toRequest(body, authorization)));
  }

  private toRequest(body: RedemptionBody, authorization: string | undefined): RedemptionRequest {
    const options = { location: body.location, publicKey: body.public_key, dnsBlocking: body.dns_blocking };
    const inHeader = tokenOfAuthorization(authorization);
    const { token, signature } = body;
    if (inHeader !== undefined && (token ?? signature) !== undefined) {
      throw new AppError('invalid_request', 'token: expected it in the body or in Authorization, not in both.');
    }
    if (inHeader === 'malformed') {
      throw new AppError(
        'invalid_request',
        'Authorization: expected PrivateToken token="…" with the 354 bytes of the Token as base64url.',
      );
    }
    if (inHeader !== undefined) return { ...inHeader, ...options };
    if (token === undefined && signature === undefined) throw tokenMissing(this.challenge.headers());
    if (token === undefined || signature === undefined) {
      throw new AppError(
        'invalid_request',
        token === undefined
          ? 'token: missing. Send it together with signature.'
          : 'signature: missing. Send it together with token.',
      );
    }
    return { token, signature, ...options };
  }

  private toResponse({ connection, node, keys, secret, presharedKey }: Redemption): RedemptionResponse {
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
