import { type DriverPeer, MemoryDriver, type PeerDriver } from 'vpn-node-agent';

type Deed = 'apply' | 'remove';

/** A node's WireGuard, as it were: it outlives the agent, and can be made to take its time. */
export class HeldDriver implements PeerDriver {
  /** Every public key whose peer it was told to remove. */
  readonly removed: string[] = [];
  private readonly peers = new MemoryDriver();
  private held: { readonly deed: Deed; readonly reached: () => void; readonly released: Promise<void> } | undefined;
  private releaseHeld: (() => void) | undefined;

  /**
   * The next deed of this kind waits.
   *
   * @returns a promise that it has come to that, and what lets it go on
   */
  hold(deed: Deed): { readonly reached: Promise<void>; readonly release: () => void } {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    this.held = { deed, reached: reached.resolve, released: released.promise };
    const release = () => {
      this.held = undefined;
      released.resolve();
    };
    this.releaseHeld = release;
    return { reached: reached.promise, release };
  }

  /** Ends the last hold, if it has not ended yet. */
  release(): void {
    this.releaseHeld?.();
  }

  async list(): Promise<readonly DriverPeer[]> {
    return this.peers.list();
  }

  async apply(peers: readonly DriverPeer[]): Promise<void> {
    await this.wait('apply');
    await this.peers.apply(peers);
  }

  async remove(publicKeys: readonly string[]): Promise<void> {
    await this.wait('remove');
    this.removed.push(...publicKeys);
    await this.peers.remove(publicKeys);
  }

  /** Nobody is ever heard here. */
  async forgetHandshakesBefore(): Promise<number> {
    return 0;
  }

  private async wait(deed: Deed): Promise<void> {
    if (this.held?.deed !== deed) return;
    const { reached, released } = this.held;
    reached();
    await released;
  }
}
