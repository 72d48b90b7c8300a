import { type DriverPeer, type PeerDriver } from '../peer-driver.js';

/** A driver whose failure is told, so that what it works on can be mended before it is tried again. */
export class GuardedDriver implements PeerDriver {
  constructor(
    private readonly driver: PeerDriver,
    private readonly onFailure: () => Promise<void>,
  ) {}

  list(): Promise<readonly DriverPeer[]> {
    return this.#guard(() => this.driver.list());
  }

  apply(peers: readonly DriverPeer[]): Promise<void> {
    return this.#guard(() => this.driver.apply(peers));
  }

  remove(publicKeys: readonly string[]): Promise<void> {
    return this.#guard(() => this.driver.remove(publicKeys));
  }

  forgetHandshakesBefore(time: number): Promise<number> {
    return this.#guard(() => this.driver.forgetHandshakesBefore(time));
  }

  async #guard<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      await this.onFailure();
      throw error;
    }
  }
}
