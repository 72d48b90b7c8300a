import { WalletError } from '../errors.js';
import { type StoredText, type WalletStorage } from './storage.js';

/* The part of IndexedDB that is used here. With the DOM's types, code that also runs in Node could use any browser API. */

interface Request<T> {
  readonly result: T;
  readonly error: unknown;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface Records {
  get(key: string): Request<unknown>;
  put(value: StoredText, key: string): unknown;
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
 * Stores the wallet in this origin's IndexedDB; tabs share it. Call `navigator.storage.persist()`, or the browser may
 * delete it when disk space is short.
 *
 * @param name the database's name; use one for each account
 * @throws {WalletError} `not_saved`, from `load` and `save`: the browser does not let this page store anything
 */
export function indexedDbStorage(name = 'vpn-wallet'): WalletStorage {
  return {
    load: () => inTransaction(name, 'readonly', (records, done) => read(records, done)),
    save: (text, expected) =>
      inTransaction<boolean>(name, 'readwrite', (records, done) => {
        // One transaction reads and writes, so no other tab can save in between.
        read(records, (stored) => {
          if (stored?.revision !== expected) return done(false);
          records.put({ text, revision: String(Number(expected ?? 0) + 1) }, key);
          done(true);
        });
      }),
  };
}

function read(records: Records, done: (stored: StoredText | undefined) => void): void {
  const request = records.get(key);
  request.onsuccess = () => done(request.result as StoredText | undefined);
}

/** Resolves once the transaction is complete, and so durable. */
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
  return new WalletError('not_saved', 'The browser does not let this page store its wallet. Allow it to store data.', {
    cause,
  });
}
