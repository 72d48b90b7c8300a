import { Injectable } from '@nestjs/common';
import { Background, Repeater } from '../../platform/background/index.js';
import { type Placement } from '../connection.js';
import { OutboxStore } from './outbox.store.js';
import { PeerSignalsService } from './peer-signals.service.js';

const pollMs = 100;

interface Waiting {
  readonly placement: Placement;
  /** Several requests of one client may wait for the same placement. */
  readonly waiters: Set<() => void>;
}

/**
 * Waits for the node's acknowledgement. A client that starts before its peer is installed loses 5 seconds to WireGuard's
 * handshake timer, so an answer is worth waiting for. Signals wake a waiter at once; one poll for all of them, 100 ms after the one before,
 * finds what a lost signal would have said.
 */
@Injectable()
export class AckWaiterService {
  private readonly waiting = new Map<string, Waiting>();

  constructor(
    private readonly outbox: OutboxStore,
    signals: PeerSignalsService,
    background: Background,
  ) {
    signals.onNowActive((placements) => this.settle(placements));
    // While PostgreSQL is away the waiters time out, and what they do next says so.
    background.add(new Repeater({ waitMs: pollMs, run: () => this.poll() }));
  }

  /** Resolves to true as soon as the placement is active, to false when it is not within so many milliseconds. */
  async isActiveWithin(milliseconds: number, placement: Placement): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wake = () => resolve(true);
    const entry = this.enter(placement, wake);
    const timer = setTimeout(() => resolve(false), milliseconds);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      entry.waiters.delete(wake);
      if (entry.waiters.size === 0) this.waiting.delete(keyOf(placement));
    }
  }

  private enter(placement: Placement, wake: () => void): Waiting {
    const entry = this.waiting.get(keyOf(placement)) ?? { placement, waiters: new Set() };
    entry.waiters.add(wake);
    this.waiting.set(keyOf(placement), entry);
    return entry;
  }

  private settle(placements: readonly Placement[]): void {
    for (const placement of placements) {
      for (const wake of this.waiting.get(keyOf(placement))?.waiters ?? []) wake();
    }
  }

  private async poll(): Promise<void> {
    if (this.waiting.size === 0) return;
    this.settle(await this.outbox.activeOf([...this.waiting.values()].map(({ placement }) => placement)));
  }
}

const keyOf = ({ id, revision }: Placement) => `${id}/${revision}`;
