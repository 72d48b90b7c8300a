import { type Connection } from './wallet/state.js';
import { insertPrivateKey } from './wireguard.js';

/**
 * The connection for wg-quick and for WireGuard's apps, with the private key. Checked: it holds nothing but what a client needs,
 * no command above all.
 *
 * @throws {WireguardConfError} it holds something else, or a private key already; a connection that `connect` gave does not
 */
export function toWgQuick({ config, privateKey }: Pick<Connection, 'config' | 'privateKey'>): string {
  return insertPrivateKey(config.wireguard_conf, privateKey);
}
