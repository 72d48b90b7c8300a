import { type DriverPeer, type PeerDriver } from '../peer-driver.js';

/** After a failure of the driver, repairs the interface that it works on. The caller then retries. */
export class RepairingDriver implements PeerDriver {
  constructor(
    private readonly driver: PeerDriver,
    private readonly repair: () => Promise<void>,
  ) {}

  list(): Promise<readonly DriverPeer[]> {
    return this.#repairOnFailure(() => this.driver.list());
  }

  apply(peers: readonly DriverPeer[]): Promise<void> {
    return this.#repairOnFailure(() => this.driver.apply(peers));
  }

  remove(publicKeys: readonly string[]): Promise<void> {
    return this.#repairOnFailure(() => this.driver.remove(publicKeys));
  }

  forgetHandshakesBefore(time: number): Promise<number> {
    return this.#repairOnFailure(() => this.driver.forgetHandshakesBefore(time));
  }

  async #repairOnFailure<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      await this.repair();
      throw error;
    }
  }
}
