import { WalletError } from '../errors.js';
import { emptyWallet, parseWallet, tidy, type WalletState } from './state.js';
import { type WalletStorage } from './storage.js';

/** More than can meet by chance: then the storage does not keep its promise, or somebody saves without end. */
const maxAttempts = 100;

/** The wallet as it is stored, changed by whole steps. Tabs and processes may share it. */
export class Wallet {
  constructor(
    private readonly storage: WalletStorage,
    private readonly now: () => number,
  ) {}

  /** @throws {WalletError} */
  async read(): Promise<WalletState> {
    const kept = await this.storage.load();
    return tidy(kept === undefined ? emptyWallet : parseWallet(kept.text), this.now());
  }

  /**
   * Changes what is stored, as if nobody else could at the same time. The change lasts when this resolves.
   *
   * @param step may run several times: it only computes
   * @throws {WalletError}
   */
  async change<T>(step: (state: WalletState) => readonly [WalletState, T]): Promise<T> {
    for (let tries = 0; tries < maxAttempts; tries++) {
      const kept = await this.storage.load();
      const state = tidy(kept === undefined ? emptyWallet : parseWallet(kept.text), this.now());
      const [next, result] = step(state);
      const text = JSON.stringify(next);
      if (text === kept?.text || (await this.storage.save(text, kept?.revision))) return result;
    }
    throw new WalletError('not_saved', 'The wallet was changed by others again and again.');
  }

  /** A change that has nothing to say. */
  async update(step: (state: WalletState) => WalletState): Promise<void> {
    await this.change((state) => [step(state), undefined]);
  }
}
