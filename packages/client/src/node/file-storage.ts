import { constants } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { WalletError } from '../errors.js';
import { type WalletStorage } from '../wallet/storage.js';

/*
 * Each save creates a new file, `wallet.<n>`, atomically: the text is written to a draft, which is then linked to the new name.
 * When several processes create the same number at once, the file system lets one succeed; the others load and try again.
 * There is no lock, so a killed process leaves no stale lock behind.
 *
 * Older files are emptied, since they contain secrets. The empty files stay for a while: they stop a process that was suspended
 * between its load and its save from reusing a number that others have long passed.
 */

const pattern = /^wallet\.(\d+)$/;
/** How many older files stay, emptied. */
const reservedNumbers = 16;
/** A save that is this many numbers behind was suspended for so long that its number may have become free again. */
const maxNumbersBehind = reservedNumbers / 2;

/**
 * Stores the wallet in a folder of its own that only its owner can read (0700, files 0600). Processes may share it.
 *
 * @param folder created when missing
 * @throws {WalletError} `not_saved`, from `load` and `save`: names the folder and the file system's error
 */
export function fileStorage(folder: string): WalletStorage {
  return {
    load: () => asWalletError(folder, () => load(folder)),
    save: (text, expected) => asWalletError(folder, () => save(folder, text, Number(expected ?? 0))),
  };
}

async function load(folder: string): Promise<{ text: string; revision: string } | undefined> {
  for (let previous: number | undefined; ;) {
    const [newest] = await numbersIn(folder);
    if (newest === undefined) return undefined;
    const text = await readFile(join(folder, `wallet.${newest}`), 'utf8').catch(ifMissing(''));
    // An empty file was emptied since the folder was listed: there is a newer one.
    if (text !== '' || newest === previous) return { text, revision: String(newest) };
    previous = newest;
  }
}

async function save(folder: string, text: string, expected: number): Promise<boolean> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = join(folder, `draft-${crypto.randomUUID()}`);
  const own = join(folder, `wallet.${expected + 1}`);
  try {
    await writeDurably(draft, text);
    await link(draft, own);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
  const numbers = await numbersIn(folder);
  if ((numbers[0] ?? 0) - (expected + 1) > maxNumbersBehind) {
    await rm(own, { force: true });
    return false;
  }
  await syncFolder(folder);
  for (const number of numbers.filter((older) => older <= expected)) {
    const path = join(folder, `wallet.${number}`);
    await (number > expected - reservedNumbers ? truncate(path) : rm(path)).catch(ifMissing(undefined));
  }
  return true;
}

/** Newest first. */
async function numbersIn(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(ifMissing<string[]>([]));
  return names
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((a, b) => b - a);
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open folders, and does not need this.
  const handle = await open(folder, 'r').catch(() => undefined);
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (codeOf(error) === 'ENOENT') return value;
    throw error;
  };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

async function asWalletError<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = codeOf(cause) ?? 'failed';
    const message = `The wallet folder ${folder} cannot be read or written (${reason}). Check its permissions and free space.`;
    throw new WalletError('not_saved', message, { cause });
  }
}
