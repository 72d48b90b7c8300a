import { isSamePeer } from './peer-driver.js';
import { type ConnectionRevision, type Peer } from './protocol.js';

/**
 * The peers that this node should have, by connection. Every changing method returns the public keys whose peers may have
 * changed. The writer then looks up the wanted state of each, so the order of changes within a batch does not matter.
 *
 * A public key and a tunnel address belong to one connection at a time. The backend frees both when a connection ends,
 * possibly before this node learns of it. Then the new connection takes them over, and the former owner is removed.
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

  byPublicKey(publicKey: string): Peer | undefined {
    return this.#peers.get(this.#owners.get(publicKey) ?? '');
  }

  has({ connectionId, revision }: ConnectionRevision): boolean {
    return this.#peers.get(connectionId)?.revision === revision;
  }

  /** The stream is in order, so the latest event is right. */
  add(peer: Peer): string[] {
    return this.#put(peer);
  }

  /** Does nothing when the table has another revision of the connection. */
  remove({ connectionId, revision }: ConnectionRevision): string[] {
    const held = this.#peers.get(connectionId);
    return held?.revision === revision ? this.#drop(held) : [];
  }

  /**
   * Applies a list from the backend.
   *
   * @param complete whether peers that the list leaves out are removed
   * @param except connections that changed after the list was requested: the list is out of date about them
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
      const outOfDate = this.#currentOwners(peer).some((connectionId) => except.has(connectionId));
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
    if (held !== undefined && isSamePeer(held, peer)) {
      this.#peers.set(peer.connectionId, peer);
      return [];
    }
    const changed = [peer.publicKey];
    for (const connectionId of this.#currentOwners(peer)) {
      const former = this.#peers.get(connectionId);
      if (former !== undefined) changed.push(...this.#drop(former));
    }
    this.#peers.set(peer.connectionId, peer);
    for (const claim of claimsOf(peer)) this.#owners.set(claim, peer.connectionId);
    return changed;
  }

  /** The connection itself, and the connections that have its key or one of its addresses. */
  #currentOwners(peer: Peer): string[] {
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
