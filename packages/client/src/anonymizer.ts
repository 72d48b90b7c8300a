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

/** The side that knows nobody. It is shown tokens and connections' secrets, and nothing that names a person. */
export class Anonymizer {
  constructor(private readonly transport: Transport) {}

  /** Asked without credentials. */
  async directory(signal?: AbortSignal): Promise<IssuerDirectory> {
    return parseDirectory(await this.transport.call(directoryPath, { signal }));
  }

  async locations(signal?: AbortSignal): Promise<Location[]> {
    const answer = await this.transport.call('/vpn/locations', { signal });
    if (!isLocations(answer)) throw unexpectedAnswer(200);
    return answer.locations;
  }

  async redeem(
    { token, signature, location, publicKey, dnsBlocking }: RedeemOptions,
    signal?: AbortSignal,
  ): Promise<RedeemedConfig> {
    const config = await this.transport.call('/vpn/config', {
      method: 'POST',
      body: { token, signature, location, public_key: publicKey, dns_blocking: dnsBlocking },
      signal,
    });
    const madeForThisKey = isRedeemedConfig(config) && (publicKey === undefined || config.public_key === publicKey);
    if (!madeForThisKey) throw unexpectedAnswer(200);
    return config;
  }

  async connectionStatus(secret: string): Promise<ConnectionStatus> {
    const answer = await this.transport.call('/vpn/connection', { bearer: secret });
    if (!isConnectionStatus(answer)) throw unexpectedAnswer(200);
    return answer;
  }

  async disconnect(secret: string): Promise<void> {
    try {
      await this.transport.call('/vpn/connection', { method: 'DELETE', bearer: secret });
    } catch (error) {
      if (error instanceof VpnApiError && error.code === 'connection_not_found') return;
      throw error;
    }
  }
}
