import { constants } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { WalletError } from '../errors.js';
import { type WalletStorage } from '../wallet/storage.js';

/*
 * Each save is a new file, `wallet.<n>`, that appears whole: written beside, then linked to its number. Of several processes
 * that make the next number at the same time, the file system lets one; the others load and try again. There is no lock, so none
 * can be left behind.
 *
 * Older files are emptied, since they hold secrets, and their numbers stay taken for a while: a process that was stopped between
 * its load and its save must not take a number that others have long passed.
 */

const pattern = /^wallet\.(\d+)$/;
const keptNumbers = 16;
/** A save that finds itself this far behind had stopped for longer than numbers are kept. */
const farBehind = keptNumbers / 2;

/**
 * Keeps the wallet in a folder of its own, readable by its owner alone (0700, files 0600). Processes may share it.
 *
 * @param folder made when missing
 * @throws {WalletError} `not_saved`, from both of its methods: names the folder and what is the matter with it
 */
export function fileStorage(folder: string): WalletStorage {
  return {
    load: () => explaining(folder, () => load(folder)),
    save: (text, expected) => explaining(folder, () => save(folder, text, Number(expected ?? 0))),
  };
}

async function load(folder: string): Promise<{ text: string; revision: string } | undefined> {
  for (let before: number | undefined; ;) {
    const [newest] = await numbersIn(folder);
    if (newest === undefined) return undefined;
    const text = await readFile(join(folder, `wallet.${newest}`), 'utf8').catch(ifMissing(''));
    // Else it was emptied since the folder was read, for there is a newer one.
    if (text !== '' || newest === before) return { text, revision: String(newest) };
    before = newest;
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
  if ((numbers[0] ?? 0) - (expected + 1) > farBehind) {
    await rm(own, { force: true });
    return false;
  }
  await syncFolder(folder);
  for (const number of numbers.filter((each) => each <= expected)) {
    const path = join(folder, `wallet.${number}`);
    await (number > expected - keptNumbers ? truncate(path) : rm(path)).catch(ifMissing(undefined));
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
  // Windows opens no folders, and needs no such thing.
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

async function explaining<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = codeOf(cause) ?? 'failed';
    throw new WalletError('not_saved', `The folder ${folder} cannot be read or written (${reason}).`, { cause });
  }
}
