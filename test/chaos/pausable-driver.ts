import { type DriverPeer, MemoryDriver, type PeerDriver } from 'vpn-node-agent';

type Operation = 'apply' | 'remove';

/** Stands in for a node's WireGuard: it keeps its peers when the agent dies, and a test can pause its operations. */
export class PausableDriver implements PeerDriver {
  /** Every public key that the agent asked to remove. */
  readonly removed: string[] = [];
  private readonly peers = new MemoryDriver();
  private resumePaused: (() => void) | undefined;
  private pause:
    { readonly operation: Operation; readonly reached: () => void; readonly resumed: Promise<void> } | undefined;

  /**
   * Pauses the next operation of this kind, and later ones, until `resume` is called.
   *
   * @returns `reached` resolves when the agent has called the operation
   */
  pauseNext(operation: Operation): { readonly reached: Promise<void>; readonly resume: () => void } {
    const [reached, resumed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    this.pause = { operation, reached: reached.resolve, resumed: resumed.promise };
    const resume = () => {
      this.pause = undefined;
      resumed.resolve();
    };
    this.resumePaused = resume;
    return { reached: reached.promise, resume };
  }

  /** Ends the last pause, if it has not ended yet. */
  resume(): void {
    this.resumePaused?.();
  }

  async list(): Promise<readonly DriverPeer[]> {
    return this.peers.list();
  }

  async apply(peers: readonly DriverPeer[]): Promise<void> {
    await this.waitIfPaused('apply');
    await this.peers.apply(peers);
  }

  async remove(publicKeys: readonly string[]): Promise<void> {
    await this.waitIfPaused('remove');
    this.removed.push(...publicKeys);
    await this.peers.remove(publicKeys);
  }

  /** Peers in memory have no handshakes. */
  async forgetHandshakesBefore(): Promise<number> {
    return 0;
  }

  private async waitIfPaused(operation: Operation): Promise<void> {
    if (this.pause?.operation !== operation) return;
    const { reached, resumed } = this.pause;
    reached();
    await resumed;
  }
}
