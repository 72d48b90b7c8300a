import { type Run } from '../command.js';
import { type DriverPeer } from '../peer-driver.js';

/** Most addresses in one call of conntrack, which searches its whole table for each address. */
const maxBatch = 50;

const oneHost = /\/(32|128)$/;

/**
 * Deletes the flows of removed peers from the kernel's connection tracking. It would keep them for days: replies to them would
 * reach the address's next peer, and the table would show which servers the former peer used. The flows of an address are
 * deleted after its peer is removed, in the background because hundreds of peers may end at the same moment, and at the latest
 * before another peer gets the address.
 */
export class FlowTable {
  /** By allowed IP: the public key of the peer whose flows connection tracking may contain. */
  readonly #peerOf = new Map<string, string>();
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #released = new Set<string>();
  #lastRun: Promise<void> = Promise.resolve();
  #sweeping: Promise<void> | undefined;

  constructor(private readonly run: Run) {}

  /** Records that these peers have their addresses. */
  assign(peers: readonly DriverPeer[]): void {
    for (const { publicKey, allowedIps } of peers) {
      // No connection has a wider range, and deleting it would cut the flows of other peers.
      const ips = allowedIps.filter((ip) => oneHost.test(ip));
      this.#addresses.set(publicKey, ips);
      for (const ip of ips) {
        this.#peerOf.set(ip, publicKey);
        this.#released.delete(ip);
      }
    }
  }

  /** Deletes the flows that former peers of these peers' addresses have left. */
  async clearForPeers(peers: readonly DriverPeer[]): Promise<void> {
    const used = peers.flatMap(({ publicKey, allowedIps }) =>
      allowedIps.filter((ip) => this.#peerOf.has(ip) && this.#peerOf.get(ip) !== publicKey),
    );
    for (let next = 0; next < used.length; next += maxBatch) {
      await this.#serialize(() => this.#forget(used.slice(next, next + maxBatch)));
    }
  }

  /** Records that these peers are removed, and begins to delete their flows. */
  release(publicKeys: readonly string[]): void {
    for (const publicKey of publicKeys) {
      for (const ip of this.#addresses.get(publicKey) ?? []) {
        if (this.#peerOf.get(ip) === publicKey) this.#released.add(ip);
      }
      this.#addresses.delete(publicKey);
    }
    if (this.#released.size > 0) this.#sweeping ??= this.#sweep();
  }

  /** Resolves when all flows of removed peers are deleted, or deleting has failed. */
  async sweepDone(): Promise<void> {
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    try {
      while (this.#released.size > 0) {
        await this.#serialize(() => this.#forget([...this.#released].slice(0, maxBatch)));
      }
    } catch {
      // The next removed or added peer triggers a retry.
    } finally {
      this.#sweeping = undefined;
    }
  }

  /** Runs one conntrack at a time, so that a late sweep cannot cut the flows of an address's next peer. */
  #serialize(forget: () => Promise<void>): Promise<void> {
    const turn = this.#lastRun.then(forget);
    this.#lastRun = turn.catch(() => undefined);
    return turn;
  }

  async #forget(ips: readonly string[]): Promise<void> {
    if (ips.length === 0) return;
    const lines = ips.map((ip) => `-D -f ${ip.includes(':') ? 'ipv6' : 'ipv4'} -s ${ip}\n`);
    await this.run('conntrack', ['-R', '/dev/stdin'], { input: lines.join(''), confidential: true });
    for (const ip of ips) {
      this.#peerOf.delete(ip);
      this.#released.delete(ip);
    }
  }
}
