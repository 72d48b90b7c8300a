import { type Run } from '../command.js';
import { type DriverPeer } from '../peer-driver.js';

/** In one call of conntrack, which looks through its whole table for each address. */
const atOnce = 50;

const oneHost = /\/(32|128)$/;

/**
 * The kernel's connection tracking outlives a peer: the answers to its flows would reach whoever has the address next, and
 * the table would go on saying where it went, for days. So an address is forgotten after its peer has gone, in the background
 * because hundreds may end in the same moment, and at the latest before another peer gets it.
 */
export class FlowTable {
  /** Whose flows the table may hold, by allowed IP. */
  readonly #users = new Map<string, string>();
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #abandoned = new Set<string>();
  #turn: Promise<void> = Promise.resolve();
  #sweeping: Promise<void> | undefined;

  constructor(private readonly run: Run) {}

  /** These peers have these addresses. */
  note(peers: readonly DriverPeer[]): void {
    for (const { publicKey, allowedIps } of peers) {
      // A wider range is no connection's, and forgetting it would cut everybody's flows.
      const ips = allowedIps.filter((ip) => oneHost.test(ip));
      this.#addresses.set(publicKey, ips);
      for (const ip of ips) {
        this.#users.set(ip, publicKey);
        this.#abandoned.delete(ip);
      }
    }
  }

  /** Forgets what former users of the addresses have left, so that these peers can have them. */
  async prepare(peers: readonly DriverPeer[]): Promise<void> {
    const used = peers.flatMap(({ publicKey, allowedIps }) =>
      allowedIps.filter((ip) => this.#users.has(ip) && this.#users.get(ip) !== publicKey),
    );
    for (let next = 0; next < used.length; next += atOnce) {
      await this.#inTurn(() => this.#forget(used.slice(next, next + atOnce)));
    }
  }

  /** These peers have gone. */
  abandon(publicKeys: readonly string[]): void {
    for (const publicKey of publicKeys) {
      for (const ip of this.#addresses.get(publicKey) ?? []) {
        if (this.#users.get(ip) === publicKey) this.#abandoned.add(ip);
      }
      this.#addresses.delete(publicKey);
    }
    if (this.#abandoned.size > 0) this.#sweeping ??= this.#sweep();
  }

  /** Resolves when nothing is left to be forgotten, or forgetting has failed. */
  async swept(): Promise<void> {
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    try {
      while (this.#abandoned.size > 0) {
        await this.#inTurn(() => this.#forget([...this.#abandoned].slice(0, atOnce)));
      }
    } catch {
      // The next peer to go, or to come, tries again.
    } finally {
      this.#sweeping = undefined;
    }
  }

  /** One conntrack at a time: a sweep that is late must not cut the flows of an address's next user. */
  #inTurn(forget: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(forget);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #forget(ips: readonly string[]): Promise<void> {
    if (ips.length === 0) return;
    const lines = ips.map((ip) => `-D -f ${ip.includes(':') ? 'ipv6' : 'ipv4'} -s ${ip}\n`);
    await this.run('conntrack', ['-R', '/dev/stdin'], { input: lines.join(''), confidential: true });
    for (const ip of ips) {
      this.#users.delete(ip);
      this.#abandoned.delete(ip);
    }
  }
}
