import { samePeer } from './peer-driver.js';
import { type ConnectionRevision, type Peer } from './protocol.js';

/**
 * The peers that this node should have, by connection. Every method returns the public keys whose peers may have changed:
 * the writer then looks up what each of them should be, so the order of changes within a batch cannot matter.
 *
 * A public key and a tunnel address belong to one connection at a time. The backend frees both at a connection's end,
 * possibly before this node has heard of it: the newcomer takes them over and the former owner goes.
 */
export class PeerTable {
  readonly #peers = new Map<string, Peer>();
  /** Connection by public key and by address. */
  readonly #owners = new Map<string, string>();

  get size(): number {
    return this.#peers.size;
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  withKey(publicKey: string): Peer | undefined {
    return this.#peers.get(this.#owners.get(publicKey) ?? '');
  }

  holds({ connectionId, revision }: ConnectionRevision): boolean {
    return this.#peers.get(connectionId)?.revision === revision;
  }

  /** The stream is in order: what it says last holds. */
  add(peer: Peer): string[] {
    return this.#put(peer);
  }

  /** Does nothing when another placement of the connection is held. */
  remove({ connectionId, revision }: ConnectionRevision): string[] {
    const held = this.#peers.get(connectionId);
    return held?.revision === revision ? this.#drop(held) : [];
  }

  /**
   * Takes over a list from the backend.
   *
   * @param complete only then does absence from the list end a peer
   * @param except connections that changed after the list was asked for: on these, the list is out of date
   */
  replace(peers: readonly Peer[], complete: boolean, except: ReadonlySet<string>): string[] {
    const changed: string[] = [];
    if (complete) {
      const listed = new Set(peers.map(({ connectionId }) => connectionId));
      for (const held of [...this.#peers.values()]) {
        if (!listed.has(held.connectionId) && !except.has(held.connectionId)) changed.push(...this.#drop(held));
      }
    }
    for (const peer of peers) {
      const outOfDate = this.#formerOwners(peer).some((connectionId) => except.has(connectionId));
      if (!outOfDate) changed.push(...this.#put(peer));
    }
    return changed;
  }

  expire(now: number): string[] {
    const expired = [...this.#peers.values()].filter(({ expiresAt }) => expiresAt <= now);
    return expired.flatMap((peer) => this.#drop(peer));
  }

  #put(peer: Peer): string[] {
    const held = this.#peers.get(peer.connectionId);
    if (held !== undefined && samePeer(held, peer)) {
      this.#peers.set(peer.connectionId, peer);
      return [];
    }
    const changed = [peer.publicKey];
    for (const connectionId of this.#formerOwners(peer)) {
      const former = this.#peers.get(connectionId);
      if (former !== undefined) changed.push(...this.#drop(former));
    }
    this.#peers.set(peer.connectionId, peer);
    for (const claim of claimsOf(peer)) this.#owners.set(claim, peer.connectionId);
    return changed;
  }

  /** The connection itself, and whoever has its key or an address of it. */
  #formerOwners(peer: Peer): string[] {
    const owners = claimsOf(peer).map((claim) => this.#owners.get(claim));
    return [peer.connectionId, ...owners.filter((owner) => owner !== undefined)];
  }

  #drop(peer: Peer): string[] {
    this.#peers.delete(peer.connectionId);
    for (const claim of claimsOf(peer)) this.#owners.delete(claim);
    return [peer.publicKey];
  }
}

function claimsOf({ publicKey, allowedIps }: Peer): string[] {
  return [publicKey, ...allowedIps];
}
