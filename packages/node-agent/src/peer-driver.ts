/** A peer of a WireGuard interface. */
export interface DriverPeer {
  /** Standard base64, 44 characters; so is `presharedKey`. */
  readonly publicKey: string;
  readonly presharedKey: string;
  readonly allowedIps: readonly string[];
}

/**
 * Configures peers of a WireGuard interface. The agent makes one call at a time. Every change names its peers: no call
 * replaces the whole set, because that would reset live sessions.
 */
export interface PeerDriver {
  list(): Promise<readonly DriverPeer[]>;
  /** Adds or updates peers. As with `wg`, an address moves to the peer that got it last. */
  apply(peers: readonly DriverPeer[]): Promise<void>;
  /** Removes peers. An unknown peer is no error. */
  remove(publicKeys: readonly string[]): Promise<void>;
  /**
   * Erases endpoint and handshake time of all peers whose last handshake was before `time` (Unix milliseconds). The peers
   * themselves stay. Resolves to the number of peers that had something to erase.
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

  /** Peers in memory have no endpoint. */
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

export function isSamePeer(a: DriverPeer, b: DriverPeer): boolean {
  return (
    a.publicKey === b.publicKey &&
    a.presharedKey === b.presharedKey &&
    a.allowedIps.length === b.allowedIps.length &&
    a.allowedIps.every((ip) => b.allowedIps.includes(ip))
  );
}
