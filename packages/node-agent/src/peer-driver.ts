/** A peer as WireGuard holds it. */
export interface DriverPeer {
  /** Standard base64, 44 characters; so is `presharedKey`. */
  readonly publicKey: string;
  readonly presharedKey: string;
  readonly allowedIps: readonly string[];
}

/**
 * Where peers become real. Calls come one after another, never two at once. Every change names its peers: there is no call
 * that replaces the whole set, because that resets live sessions.
 */
export interface PeerDriver {
  list(): Promise<readonly DriverPeer[]>;
  /** Adds peers, or changes those that are there. As `wg` does it, an address moves to the peer that claimed it last. */
  apply(peers: readonly DriverPeer[]): Promise<void>;
  /** Removes peers; one that is not there is no error. */
  remove(publicKeys: readonly string[]): Promise<void>;
  /**
   * Wipes when, and from which endpoint, peers were last heard, of those not heard since `time` (Unix milliseconds). The
   * peers themselves stay. Resolves to how many had something to wipe.
   */
  forgetHandshakesBefore(time: number): Promise<number>;
}

/** Keeps peers in memory: for tests, demonstrations and measurements. */
export class MemoryDriver implements PeerDriver {
  readonly #peers = new Map<string, DriverPeer>();
  readonly #ownerOf = new Map<string, string>();

  async list(): Promise<readonly DriverPeer[]> {
    return [...this.#peers.values()];
  }

  async apply(peers: readonly DriverPeer[]): Promise<void> {
    for (const peer of peers) {
      this.#drop(peer.publicKey);
      for (const ip of peer.allowedIps) this.#claim(ip, peer.publicKey);
      this.#peers.set(peer.publicKey, peer);
    }
  }

  async remove(publicKeys: readonly string[]): Promise<void> {
    for (const publicKey of publicKeys) this.#drop(publicKey);
  }

  /** Nobody is ever heard here. */
  async forgetHandshakesBefore(): Promise<number> {
    return 0;
  }

  #drop(publicKey: string): void {
    for (const ip of this.#peers.get(publicKey)?.allowedIps ?? []) this.#ownerOf.delete(ip);
    this.#peers.delete(publicKey);
  }

  #claim(ip: string, publicKey: string): void {
    const owner = this.#peers.get(this.#ownerOf.get(ip) ?? '');
    if (owner !== undefined) {
      this.#peers.set(owner.publicKey, { ...owner, allowedIps: owner.allowedIps.filter((other) => other !== ip) });
    }
    this.#ownerOf.set(ip, publicKey);
  }
}

export function samePeer(a: DriverPeer, b: DriverPeer): boolean {
  return (
    a.publicKey === b.publicKey &&
    a.presharedKey === b.presharedKey &&
    a.allowedIps.length === b.allowedIps.length &&
    a.allowedIps.every((ip) => b.allowedIps.includes(ip))
  );
}
