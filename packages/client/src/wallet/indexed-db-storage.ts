import { WalletError } from '../errors.js';
import { type Kept, type WalletStorage } from './storage.js';

/* What is used of IndexedDB. The whole DOM's types would promise a browser to code that also runs without one. */

interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface Records {
  get(key: string): Request<unknown>;
  put(value: Kept, key: string): unknown;
}

interface Transaction {
  readonly error: unknown;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
  objectStore(name: string): Records;
}

interface Database {
  createObjectStore(name: string): unknown;
  transaction(store: string, mode: Mode, options: { readonly durability: 'strict' }): Transaction;
  close(): void;
}

type Mode = 'readonly' | 'readwrite';

declare const indexedDB: { open(name: string, version: number): Request<Database> & { onupgradeneeded: unknown } };

const store = 'wallet';
const key = 'wallet';

/**
 * Keeps the wallet in this origin's IndexedDB; tabs share it. Ask for `navigator.storage.persist()`, or the browser may
 * drop it when space is short.
 *
 * @param name the database's; one for each account that uses this browser
 * @throws {WalletError} `not_saved`, from both of its methods: the browser does not let this page store anything
 */
export function indexedDbStorage(name = 'vpn-wallet'): WalletStorage {
  return {
    load: () => inTransaction(name, 'readonly', (records, done) => read(records, done)),
    save: (text, expected) =>
      inTransaction<boolean>(name, 'readwrite', (records, done) => {
        // Read and written in one transaction, which no other tab can interrupt.
        read(records, (kept) => {
          if (kept?.revision !== expected) return done(false);
          records.put({ text, revision: String(Number(expected ?? 0) + 1) }, key);
          done(true);
        });
      }),
  };
}

function read(records: Records, done: (kept: Kept | undefined) => void): void {
  const request = records.get(key);
  request.onsuccess = () => done(request.result as Kept | undefined);
}

/** Resolves when the transaction is complete, so that what was written lasts. */
async function inTransaction<T>(
  name: string,
  mode: Mode,
  work: (records: Records, done: (result: T) => void) => void,
): Promise<T> {
  const database = await open(name);
  try {
    return await new Promise<T>((resolve, reject) => {
      const transaction = database.transaction(store, mode, { durability: 'strict' });
      let result: T;
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = () => reject(notSaved(transaction.error));
      work(transaction.objectStore(store), (value) => (result = value));
    });
  } finally {
    database.close();
  }
}

function open(name: string): Promise<Database> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(store);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(notSaved(request.error));
  });
}

function notSaved(cause: unknown): WalletError {
  return new WalletError('not_saved', 'The browser does not let this page store its wallet.', { cause });
}
