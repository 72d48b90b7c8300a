import { Injectable } from '@nestjs/common';
import { Background } from '../health/index.js';
import { AllocationStore } from './allocation.store.js';
import { type Placement } from './connection.js';
import { PeerSignals } from './peer-signals.js';

const pollMs = 100;

interface Waiting {
  readonly placement: Placement;
  readonly settle: (active: boolean) => void;
}

/**
 * Waits for the node's acknowledgement. A client that starts before its peer is installed loses 5 seconds to WireGuard's
 * handshake timer, so an answer is worth waiting for. Signals wake a waiter at once; one poll for all of them, every 100 ms,
 * finds what a lost signal would have said.
 */
@Injectable()
export class AckWaiter {
  private readonly waiting = new Map<string, Waiting>();
  private timer: NodeJS.Timeout | undefined;
  private polling = false;

  constructor(
    private readonly store: AllocationStore,
    signals: PeerSignals,
    background: Background,
  ) {
    signals.onNowActive((placements) => this.settle(placements));
    background.add({
      start: () => {
        this.timer = setInterval(() => void this.poll(), pollMs);
      },
      stop: () => clearInterval(this.timer),
    });
  }

  /** Resolves to true as soon as the placement is active, to false when it is not within so many milliseconds. */
  async isActiveWithin(milliseconds: number, placement: Placement): Promise<boolean> {
    const key = keyOf(placement);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const earlier = this.waiting.get(key);
    // Two requests of one client may wait for the same placement.
    const settle = (active: boolean) => {
      earlier?.settle(active);
      resolve(active);
    };
    this.waiting.set(key, { placement, settle });
    const timer = setTimeout(() => resolve(false), milliseconds);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      if (this.waiting.get(key)?.settle === settle) this.waiting.delete(key);
    }
  }

  private settle(placements: readonly Placement[]): void {
    for (const placement of placements) this.waiting.get(keyOf(placement))?.settle(true);
  }

  private async poll(): Promise<void> {
    if (this.polling || this.waiting.size === 0) return;
    this.polling = true;
    try {
      this.settle(await this.store.activeOf([...this.waiting.values()].map(({ placement }) => placement)));
    } catch {
      // PostgreSQL is away: the waiters time out, and what they do next says so.
    } finally {
      this.polling = false;
    }
  }
}

const keyOf = ({ id, revision }: Placement) => `${id}/${revision}`;
