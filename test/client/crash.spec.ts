import { type Connection, memoryStorage, type WalletStorage } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClientWorld, startClientWorld } from '../support/client-world.js';

/*
 * Kills a client before and after each of its side effects: every request, and every load and save of its wallet. Then another
 * client starts with the saved wallet, against the real service. No token may be lost or pay for two connections.
 */

let world: ClientWorld;

beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world.stop());

type Fetch = typeof globalThis.fetch;

/**
 * The network and storage of a client that crashes at one step: from then on, no side effect happens and no call returns.
 */
class CrashingEnvironment {
  steps = 0;
  readonly crashed: Promise<void>;
  private reportCrash = () => {};
  private hasCrashed = false;

  /** @param at the step of the crash; `after` its side effect, or before it */
  constructor(
    private readonly at: number,
    private readonly after: boolean,
  ) {
    this.crashed = new Promise((resolve) => (this.reportCrash = resolve));
  }

  readonly fetch: Fetch = (input, init) => this.step(() => fetch(input, init));

  storage(wallet: WalletStorage): WalletStorage {
    return {
      load: () => this.step(() => wallet.load()),
      save: (text, expected) => this.step(() => wallet.save(text, expected)),
    };
  }

  private async step<T>(work: () => Promise<T>): Promise<T> {
    const isLast = this.steps++ === this.at;
    if (this.hasCrashed || (isLast && !this.after)) return this.crash();
    const result = await work();
    return isLast ? this.crash() : result;
  }

  private crash<T>(): Promise<T> {
    this.hasCrashed = true;
    this.reportCrash();
    return new Promise<T>(() => {});
  }
}

/** Each test starts two clients for every step. */
const manyClientsMs = 60_000;

/** Longer than an attempt is reserved for the process that started it. */
const laterMs = 150_000;

describe('a client that is killed while it prefetches', () => {
  it(
    'has its tokens after a restart, at no extra quota, at every step',
    async () => {
      for (let step = 0, finished = false; !finished; step++) {
        for (const after of [false, true]) {
          const { user, wallet, again } = await world.newClient();
          const environment = new CrashingEnvironment(step, after);
          const killed = again({ fetch: environment.fetch, wallet: environment.storage(wallet) });
          const end = await Promise.race([killed.wallet.prefetchIfDue(), environment.crashed]);
          finished = end === 2;

          const restarted = again();
          await restarted.wallet.prefetchIfDue();
          expect(await restarted.wallet.status(), `step ${step}`).toMatchObject({ tokens: 2, pending: 0, attempts: 0 });
          expect(await world.countSigned(user), `step ${step}`).toBe(2);
        }
        expect(step).toBeLessThan(50);
      }
    },
    manyClientsMs,
  );
});

describe('a client that is killed while it connects', () => {
  it(
    'loses no token and makes one connection with each, at every step',
    async () => {
      const known: string[] = await world.connectionIds();
      let steps = 0;
      for (let step = 0, finished = false; !finished; step++) {
        for (const after of [false, true]) {
          const { wallet, again } = await world.newClient({ wallet: memoryStorage() });
          await again().wallet.prefetchIfDue();
          const environment = new CrashingEnvironment(step, after);
          const killed = again({ fetch: environment.fetch, wallet: environment.storage(wallet) });
          const end: Connection | void = await Promise.race([
            killed.connect({ location: world.location }),
            environment.crashed,
          ]);
          finished = end !== undefined;
          steps = Math.max(steps, environment.steps);

          const now = () => world.gatekeeper.clock.now().getTime() + laterMs;
          const restarted = again({ now });
          while ((await restarted.wallet.status()).tokens + (await restarted.wallet.status()).attempts > 0) {
            await restarted.connect({ location: world.location });
          }
          const ids = (await restarted.connections()).map(({ id }) => id);
          expect(ids, `step ${step}`).toHaveLength(2);
          known.push(...ids);
          expect((await world.connectionIds()).toSorted(), `step ${step}`).toEqual(known.toSorted());
        }
        expect(step).toBeLessThan(50);
      }
      // Load locations and directory, read the wallet, store token and key pair, redeem, store the connection.
      expect(steps).toBeGreaterThanOrEqual(8);
    },
    manyClientsMs,
  );
});
