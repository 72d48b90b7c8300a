import {
  type ConnectionDisconnectData,
  type ConnectionStatusData,
  type DirectoryDirectoryData,
  type LocationsListData,
  type VpnConfigRedeemData,
} from './api.gen.js';
import { directoryPath, type IssuerDirectory, parseDirectory } from './directory.js';
import { VpnApiError } from './errors.js';
import { type Transport, unexpectedAnswer } from './transport.js';
import {
  type ConnectionStatus,
  isConnectionStatus,
  isLocations,
  isRedeemedConfig,
  type Location,
  type RedeemedConfig,
  type RedeemOptions,
} from './wire.js';

/** The anonymizer, which knows no user. It receives tokens and the secrets of connections, and nothing that identifies a user. */
export class Anonymizer {
  constructor(private readonly transport: Transport) {}

  /** Requested without credentials. */
  async directory(signal?: AbortSignal): Promise<IssuerDirectory> {
    return parseDirectory(await this.transport.call<DirectoryDirectoryData>({ path: directoryPath, signal }));
  }

  async locations(signal?: AbortSignal): Promise<Location[]> {
    const answer = await this.transport.call<LocationsListData>({ path: '/vpn/locations', signal });
    if (!isLocations(answer)) throw unexpectedAnswer(200);
    return answer.locations;
  }

  async redeem(
    { token, signature, location, publicKey, dnsBlocking }: RedeemOptions,
    signal?: AbortSignal,
  ): Promise<RedeemedConfig> {
    const body: VpnConfigRedeemData['body'] = { token, signature, location };
    if (publicKey !== undefined) body.public_key = publicKey;
    if (dnsBlocking !== undefined) body.dns_blocking = dnsBlocking;
    const call = { path: '/vpn/config', method: 'POST', body, signal } as const;
    const config = await this.transport.call<VpnConfigRedeemData>(call);
    const madeForThisKey = isRedeemedConfig(config) && (publicKey === undefined || config.public_key === publicKey);
    if (!madeForThisKey) throw unexpectedAnswer(200);
    return config;
  }

  async connectionStatus(secret: string): Promise<ConnectionStatus> {
    const answer = await this.transport.call<ConnectionStatusData>({ path: '/vpn/connection', bearer: secret });
    if (!isConnectionStatus(answer)) throw unexpectedAnswer(200);
    return answer;
  }

  async disconnect(secret: string): Promise<void> {
    try {
      const path = '/vpn/connection';
      await this.transport.call<ConnectionDisconnectData>({ path, method: 'DELETE', bearer: secret });
    } catch (error) {
      if (error instanceof VpnApiError && error.code === 'connection_not_found') return;
      throw error;
    }
  }
}
