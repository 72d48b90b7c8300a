import { type Connection, memoryStorage, type WalletStorage } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

/*
 * A client is killed before and after each thing it does outside itself: every request, every load and save of its wallet.
 * Then another starts on what was saved, against the real service. No token may be lost, and none may buy two connections.
 */

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

type Fetch = typeof globalThis.fetch;

/** The world outside a client, which ends for it at one step: nothing that it begins from then on happens or returns. */
class MortalWorld {
  steps = 0;
  readonly died: Promise<void>;
  private die = () => {};
  private dead = false;

  /** @param at the step; `after` it was done, or before */
  constructor(
    private readonly at: number,
    private readonly after: boolean,
  ) {
    this.died = new Promise((resolve) => (this.die = resolve));
  }

  readonly fetch: Fetch = (input, init) => this.step(() => fetch(input, init));

  storage(kept: WalletStorage): WalletStorage {
    return {
      load: () => this.step(() => kept.load()),
      save: (text, expected) => this.step(() => kept.save(text, expected)),
    };
  }

  private async step<T>(work: () => Promise<T>): Promise<T> {
    const isLast = this.steps++ === this.at;
    if (this.dead || (isLast && !this.after)) return this.end();
    const result = await work();
    return isLast ? this.end() : result;
  }

  private end<T>(): Promise<T> {
    this.dead = true;
    this.die();
    return new Promise<T>(() => {});
  }
}

/** Each test starts a client for every step, twice. */
const manyClientsMs = 60_000;

/** Longer than another process may hold an attempt. */
const laterMs = 150_000;

describe('a client that is killed while it draws', () => {
  it(
    'has its tokens after a restart, at no more cost, whatever the step',
    async () => {
      for (let step = 0, finished = false; !finished; step++) {
        for (const after of [false, true]) {
          const { person, wallet, again } = await world.newClient();
          const mortal = new MortalWorld(step, after);
          const killed = again({ fetch: mortal.fetch, wallet: mortal.storage(wallet) });
          const end = await Promise.race([killed.wallet.prefetchIfDue(), mortal.died]);
          finished = end === 2;

          const restarted = again();
          await restarted.wallet.prefetchIfDue();
          expect(await restarted.wallet.status(), `step ${step}`).toMatchObject({ tokens: 2, pending: 0, begun: 0 });
          expect(await world.countSigned(person), `step ${step}`).toBe(2);
        }
        expect(step).toBeLessThan(50);
      }
    },
    manyClientsMs,
  );
});

describe('a client that is killed while it connects', () => {
  it(
    'loses no token and makes one connection of each, whatever the step',
    async () => {
      const known: string[] = await world.connectionIds();
      let steps = 0;
      for (let step = 0, finished = false; !finished; step++) {
        for (const after of [false, true]) {
          const { wallet, again } = await world.newClient({ wallet: memoryStorage() });
          await again().wallet.prefetchIfDue();
          const mortal = new MortalWorld(step, after);
          const killed = again({ fetch: mortal.fetch, wallet: mortal.storage(wallet) });
          const end: Connection | void = await Promise.race([
            killed.connect({ location: world.location }),
            mortal.died,
          ]);
          finished = end !== undefined;
          steps = Math.max(steps, mortal.steps);

          const now = () => world.gatekeeper.clock.now().getTime() + laterMs;
          const restarted = again({ now });
          while ((await restarted.wallet.status()).tokens + (await restarted.wallet.status()).begun > 0) {
            await restarted.connect({ location: world.location });
          }
          const ids = (await restarted.connections()).map(({ id }) => id);
          expect(ids, `step ${step}`).toHaveLength(2);
          known.push(...ids);
          expect((await world.connectionIds()).toSorted(), `step ${step}`).toEqual(known.toSorted());
        }
        expect(step).toBeLessThan(50);
      }
      // Locations, directory, wallet, token and key stored, redeemed, connection stored.
      expect(steps).toBeGreaterThanOrEqual(8);
    },
    manyClientsMs,
  );
});
