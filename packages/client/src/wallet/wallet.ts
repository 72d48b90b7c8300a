import { WalletError } from '../errors.js';
import { emptyWallet, parseWallet, dropExpired, type WalletState } from './state.js';
import { type WalletStorage } from './storage.js';

/** More conflicts in a row than chance can explain: the storage breaks its contract, or another process saves endlessly. */
const maxAttempts = 100;

/** Reads and changes the stored wallet. Tabs and processes may share it. */
export class Wallet {
  constructor(
    private readonly storage: WalletStorage,
    private readonly now: () => number,
  ) {}

  /** @throws {WalletError} */
  async read(): Promise<WalletState> {
    const stored = await this.storage.load();
    return dropExpired(stored === undefined ? emptyWallet : parseWallet(stored.text), this.now());
  }

  /**
   * Changes the stored wallet atomically. The change is durable when this resolves.
   *
   * @param step must have no side effects: it runs again when another process has saved in between
   * @throws {WalletError}
   */
  async change<T>(step: (state: WalletState) => readonly [WalletState, T]): Promise<T> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const stored = await this.storage.load();
      const state = dropExpired(stored === undefined ? emptyWallet : parseWallet(stored.text), this.now());
      const [next, result] = step(state);
      const text = JSON.stringify(next);
      if (text === stored?.text || (await this.storage.save(text, stored?.revision))) return result;
    }
    throw new WalletError(
      'not_saved',
      `The wallet could not be saved: it changed during each of ${maxAttempts} attempts. Try again.`,
    );
  }

  /** `change` without a result. */
  async update(step: (state: WalletState) => WalletState): Promise<void> {
    await this.change((state) => [step(state), undefined]);
  }
}
