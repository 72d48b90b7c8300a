import { type Run } from '../command.js';
import { type DriverPeer, type PeerDriver } from '../peer-driver.js';
import { type DumpedPeer, parseDump, peerSections } from './dump.js';
import { FlowTable } from './flow-table.js';

/** Most removals in one call: far below the kernel's limit for arguments. */
const maxRemovals = 1_000;

/**
 * Configures the peers of a WireGuard interface, kernel or userspace, with `wg`. It uses only `addconf` and `set`, which leave
 * all other peers alone; `setconf` and `syncconf` reset live sessions. Preshared keys are passed in an unlinked file.
 */
export class WireguardDriver implements PeerDriver {
  readonly #flows: FlowTable;
  /** By public key: when a peer was first seen with an endpoint and no handshake, Unix milliseconds. */
  #withoutHandshake = new Map<string, number>();

  constructor(
    private readonly run: Run,
    private readonly interfaceName: string,
  ) {
    this.#flows = new FlowTable(run);
  }

  async list(): Promise<readonly DriverPeer[]> {
    const peers = (await this.#dump()).map(({ publicKey, presharedKey, allowedIps }) => ({
      publicKey,
      presharedKey,
      allowedIps,
    }));
    this.#flows.assign(peers);
    return peers;
  }

  async apply(peers: readonly DriverPeer[]): Promise<void> {
    await this.#flows.clearForPeers(peers);
    await this.#add(peers);
    this.#flows.assign(peers);
  }

  async remove(publicKeys: readonly string[]): Promise<void> {
    for (let next = 0; next < publicKeys.length; next += maxRemovals) {
      const batch = publicKeys.slice(next, next + maxRemovals);
      await this.#wg('set', this.interfaceName, ...batch.flatMap((publicKey) => ['peer', publicKey, 'remove']));
      this.#flows.release(batch);
    }
  }

  /**
   * WireGuard keeps a peer's endpoint and handshake time until the peer is removed. So the peer is removed and added again at
   * once.
   *
   * WireGuard learns an endpoint from the first message of a handshake, but sets the handshake time only when data follows. A
   * peer that began a handshake and sent no data has no time: the time when it was first seen in this state counts instead.
   */
  async forgetHandshakesBefore(time: number): Promise<number> {
    const withoutHandshake = new Map<string, number>();
    const lastActive = ({ publicKey, latestHandshake }: DumpedPeer): number => {
      if (latestHandshake > 0) return latestHandshake * 1000;
      const firstSeen = this.#withoutHandshake.get(publicKey) ?? Date.now();
      withoutHandshake.set(publicKey, firstSeen);
      return firstSeen;
    };
    const idle = (await this.#dump()).filter((peer) => peer.hasEndpoint && lastActive(peer) < time);
    this.#withoutHandshake = withoutHandshake;
    if (idle.length === 0) return 0;
    for (let next = 0; next < idle.length; next += maxRemovals) {
      const batch = idle.slice(next, next + maxRemovals);
      await this.#wg('set', this.interfaceName, ...batch.flatMap(({ publicKey }) => ['peer', publicKey, 'remove']));
      await this.#add(batch);
    }
    return idle.length;
  }

  async #dump() {
    return parseDump(await this.#wg('show', this.interfaceName, 'dump'));
  }

  async #add(peers: readonly DriverPeer[]): Promise<void> {
    await this.run('wg', ['addconf', this.interfaceName, '/dev/stdin'], {
      input: peerSections(peers),
      confidential: true,
    });
  }

  #wg(...args: string[]): Promise<string> {
    return this.run('wg', args, { confidential: true });
  }
}
