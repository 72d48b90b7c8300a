/** What a wallet keeps, as one text, with a mark that changes with every save. */
export interface Kept {
  readonly text: string;
  readonly revision: string;
}

/**
 * Where a wallet keeps its one text. It holds secrets: tokens, which are cash, and private keys.
 *
 * To write one for another place (a keychain, say), two promises must hold: `save` replaces the text only if nobody has saved
 * since the `load` that gave `expected`, and when it resolves to true the text survives a crash.
 */
export interface WalletStorage {
  /** Undefined when nothing is kept yet. */
  load(): Promise<Kept | undefined>;
  /**
   * @param expected the revision that was loaded, undefined if nothing was
   * @returns false, and nothing done, when what is kept has another revision
   */
  save(text: string, expected: string | undefined): Promise<boolean>;
}

/** Keeps the wallet in memory: what is left of it is lost with the page or process. */
export function memoryStorage(): WalletStorage {
  let kept: Kept | undefined;
  return {
    load: async () => kept,
    save: async (text, expected) => {
      if (kept?.revision !== expected) return false;
      kept = { text, revision: String(Number(expected ?? 0) + 1) };
      return true;
    },
  };
}
