import { type Run } from '../command.js';
import { type DriverPeer, type PeerDriver } from '../peer-driver.js';
import { type DumpedPeer, parseDump, peerSections } from './dump.js';
import { FlowTable } from './flow-table.js';

/** Removals in one call: far below what the kernel takes as arguments. */
const removalsAtOnce = 1_000;

/**
 * Peers of a WireGuard interface, kernel or userspace, by `wg`. Only `addconf` and `set`, which leave every peer they do not
 * name alone: `setconf` and `syncconf` reset live sessions. Preshared keys travel by an input that has no name in any folder.
 */
export class WireguardDriver implements PeerDriver {
  readonly #flows: FlowTable;
  /** When a peer was first seen to have an endpoint and no handshake, by its public key. */
  #halfHeard = new Map<string, number>();

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
    this.#flows.note(peers);
    return peers;
  }

  async apply(peers: readonly DriverPeer[]): Promise<void> {
    await this.#flows.prepare(peers);
    await this.#add(peers);
    this.#flows.note(peers);
  }

  async remove(publicKeys: readonly string[]): Promise<void> {
    for (let next = 0; next < publicKeys.length; next += removalsAtOnce) {
      const batch = publicKeys.slice(next, next + removalsAtOnce);
      await this.#wg('set', this.interfaceName, ...batch.flatMap((publicKey) => ['peer', publicKey, 'remove']));
      this.#flows.abandon(batch);
    }
  }

  /**
   * WireGuard keeps a peer's endpoint and handshake until the peer is removed: so it is, and added again at once.
   *
   * It learns an endpoint from the first message of a handshake, and dates the handshake only when data follows. A peer that
   * began one and was never heard again has no date: it counts as heard when it was first seen so.
   */
  async forgetHandshakesBefore(time: number): Promise<number> {
    const halfHeard = new Map<string, number>();
    const heardAt = ({ publicKey, latestHandshake }: DumpedPeer): number => {
      if (latestHandshake > 0) return latestHandshake * 1000;
      const since = this.#halfHeard.get(publicKey) ?? Date.now();
      halfHeard.set(publicKey, since);
      return since;
    };
    const idle = (await this.#dump()).filter((peer) => peer.hasEndpoint && heardAt(peer) < time);
    this.#halfHeard = halfHeard;
    if (idle.length === 0) return 0;
    for (let next = 0; next < idle.length; next += removalsAtOnce) {
      const batch = idle.slice(next, next + removalsAtOnce);
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
