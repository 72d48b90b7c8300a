import { describe, expect, it } from 'vitest';
import { ManualTiming } from '../test/manual-timing.js';
import { Acknowledger } from './acknowledger.js';
import { BackendError } from './backend.js';
import { type ConnectionRevision } from './protocol.js';

const row = (revision: number): ConnectionRevision => ({ connectionId: 'connection-1', revision });

describe('Acknowledger', () => {
  it('sends a newer revision that arrives while the older one is being sent', async () => {
    const sent: unknown[] = [];
    const acknowledger: Acknowledger = new Acknowledger(
      async (added, removed) => {
        sent.push({ added, removed });
        if (sent.length === 1) acknowledger.add([row(2)], []);
      },
      new ManualTiming(),
      new AbortController().signal,
    );
    acknowledger.add([row(1)], []);
    await acknowledger.idle();
    expect(sent).toEqual([
      { added: [row(1)], removed: [] },
      { added: [row(2)], removed: [] },
    ]);
  });

  it('puts at most 5,000 of each kind into a request', async () => {
    const sizes: number[] = [];
    const acknowledger = new Acknowledger(
      async (added) => void sizes.push(added.length),
      new ManualTiming(),
      new AbortController().signal,
    );
    acknowledger.add(
      Array.from({ length: 12_000 }, (_, number) => ({ connectionId: `connection-${number}`, revision: 1 })),
      [],
    );
    await acknowledger.idle();
    expect(sizes).toEqual([5_000, 5_000, 2_000]);
  });

  it('drops a request that the backend calls invalid, because every retry would fail', async () => {
    const timing = new ManualTiming();
    const acknowledger = new Acknowledger(
      () => Promise.reject(new BackendError(400, 'invalid_request')),
      timing,
      new AbortController().signal,
    );
    acknowledger.add([row(1)], []);
    await new Promise((resolve) => setImmediate(resolve));
    expect(acknowledger.pending).toBe(0);
    await timing.advance(1_000);
    await acknowledger.idle();
  });
});
