/** The stored wallet as one text, with a revision that changes with every save. */
export interface StoredText {
  readonly text: string;
  readonly revision: string;
}

/**
 * Stores a wallet as one text. The text is secret: it contains tokens, which anyone could spend, and private keys.
 *
 * Implement it to store the wallet elsewhere, such as in a keychain. The contract: `save` replaces the text only if there was no
 * other save since the `load` that returned `expected`; once it resolves to true, the text survives a crash.
 */
export interface WalletStorage {
  /** @returns undefined when nothing is stored yet */
  load(): Promise<StoredText | undefined>;
  /**
   * @param expected the revision that was loaded; undefined when nothing was stored
   * @returns false, without saving, when the stored text has another revision
   */
  save(text: string, expected: string | undefined): Promise<boolean>;
}

/** Stores the wallet in memory: unspent tokens are lost when the page or process ends. */
export function memoryStorage(): WalletStorage {
  let stored: StoredText | undefined;
  return {
    load: async () => stored,
    save: async (text, expected) => {
      if (stored?.revision !== expected) return false;
      stored = { text, revision: String(Number(expected ?? 0) + 1) };
      return true;
    },
  };
}
