import { Injectable } from '@nestjs/common';
import { Background, Repeater } from '../../platform/background/index.js';
import { type Placement } from '../connection.js';
import { OutboxStore } from './outbox.store.js';
import { PeerSignalsService } from './peer-signals.service.js';

const pollMs = 100;

interface WaitEntry {
  readonly placement: Placement;
  /** Several requests of one client may wait for the same placement. */
  readonly waiters: Set<() => void>;
}

/**
 * Waits for nodes to acknowledge placements. A client that starts before its peer is installed loses 5 seconds to WireGuard's
 * handshake timer, so it is worth waiting before we respond. A signal resolves its waiters at once. A poll every 100 ms, for
 * all waiters together, covers lost signals.
 */
@Injectable()
export class AckWaiterService {
  private readonly entries = new Map<string, WaitEntry>();

  constructor(
    private readonly outbox: OutboxStore,
    signals: PeerSignalsService,
    background: Background,
  ) {
    signals.onNowActive((placements) => this.settle(placements));
    // Errors are ignored: while PostgreSQL is down the waiters time out, and their next query reports the error.
    background.add(new Repeater({ waitMs: pollMs, run: () => this.poll() }));
  }

  /** Resolves to true as soon as the placement is active, or to false after `milliseconds`. */
  async isActiveWithin(milliseconds: number, placement: Placement): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const onActive = () => resolve(true);
    const entry = this.addWaiter(placement, onActive);
    const timer = setTimeout(() => resolve(false), milliseconds);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      entry.waiters.delete(onActive);
      if (entry.waiters.size === 0) this.entries.delete(keyOf(placement));
    }
  }

  private addWaiter(placement: Placement, onActive: () => void): WaitEntry {
    const entry = this.entries.get(keyOf(placement)) ?? { placement, waiters: new Set() };
    entry.waiters.add(onActive);
    this.entries.set(keyOf(placement), entry);
    return entry;
  }

  private settle(placements: readonly Placement[]): void {
    for (const placement of placements) {
      for (const onActive of this.entries.get(keyOf(placement))?.waiters ?? []) onActive();
    }
  }

  private async poll(): Promise<void> {
    if (this.entries.size === 0) return;
    this.settle(await this.outbox.findActive([...this.entries.values()].map(({ placement }) => placement)));
  }
}

const keyOf = ({ id, revision }: Placement) => `${id}/${revision}`;
