import { type Connection } from './wallet/state.js';
import { insertPrivateKey } from './wireguard.js';

/**
 * The connection's configuration for wg-quick and WireGuard's apps, with the private key. It is checked for settings that a client
 * does not need, such as commands.
 *
 * @throws {WireguardConfError} it has such a setting, or already a private key; never for a connection that `connect` returned
 */
export function toWgQuick({ config, privateKey }: Pick<Connection, 'config' | 'privateKey'>): string {
  return insertPrivateKey(config.wireguard_conf, privateKey);
}
