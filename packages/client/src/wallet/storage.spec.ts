import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileStorage } from '../node/file-storage.js';
import { indexedDbStorage } from './indexed-db-storage.js';
import { memoryStorage, type WalletStorage } from './storage.js';
import { Wallet } from './wallet.js';
import { emptyWallet } from './state.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vpn-wallet-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const memory = memoryStorage();

/** Twice the same place, as two tabs or processes see it. */
const places: [string, () => [WalletStorage, WalletStorage]][] = [
  ['memory', () => [memory, memory]],
  ['a folder', () => [fileStorage(join(folder, 'wallet')), fileStorage(join(folder, 'wallet'))]],
  ['IndexedDB', () => [indexedDbStorage(folder), indexedDbStorage(folder)]],
];

describe.each(places)('a wallet kept in %s', (_, open) => {
  it('is what was saved last, for everybody', async () => {
    const [one, two] = open();
    expect(await one.load()).toBeUndefined();
    expect(await one.save('first', undefined)).toBe(true);
    const kept = await two.load();
    expect(kept?.text).toBe('first');
    expect(await two.save('second', kept?.revision)).toBe(true);
    expect(await one.load()).toMatchObject({ text: 'second' });
  });

  it('is not saved over what somebody else has saved', async () => {
    const [one, two] = open();
    const before = (await one.load())?.revision;
    expect(await one.save('mine', before)).toBe(true);
    expect(await two.save('theirs', before)).toBe(false);
    expect(await two.load()).toMatchObject({ text: 'mine' });
  });

  it('loses no change of many at once', async () => {
    const stores = open();
    const start = (await stores[0].load())?.revision;
    await stores[0].save(JSON.stringify(emptyWallet), start);
    const wallets = stores.map((store) => new Wallet(store, () => 0));
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        wallets[index % 2]!.update((state) => ({
          ...state,
          seen: [...state.seen, { keyId: String(index), notBefore: 0, verifyUntil: 1 }],
        })),
      ),
    );
    expect((await wallets[0]!.read()).seen.map(({ keyId }) => Number(keyId)).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 30 }, (_, index) => index),
    );
  });
});

describe('a wallet kept in a folder', () => {
  const path = () => join(folder, 'wallet');
  const mode = (file: string) => statSync(file).mode & 0o777;

  it('can be read by its owner alone', async () => {
    await fileStorage(path()).save('secret', undefined);
    expect(mode(path())).toBe(0o700);
    for (const name of readdirSync(path())) expect([name, mode(join(path(), name))]).toEqual([name, 0o600]);
  });

  it('leaves no old secret behind, and few files', async () => {
    const storage = fileStorage(path());
    for (let index = 0; index < 40; index++) await storage.save(`secret ${index}`, (await storage.load())?.revision);
    const filled = readdirSync(path()).filter((name) => statSync(join(path(), name)).size > 0);
    expect(filled).toEqual(['wallet.40']);
    expect(readdirSync(path()).length).toBeLessThanOrEqual(18);
  });

  it('does not take the word of a process that had stopped while others saved many times', async () => {
    const [stopped, others] = [fileStorage(path()), fileStorage(path())];
    await others.save('0', undefined);
    const before = (await stopped.load())?.revision;
    for (let index = 1; index < 30; index++) await others.save(String(index), (await others.load())?.revision);
    // The number that it goes on to take has been free again for a while.
    expect(readdirSync(path())).not.toContain('wallet.2');
    expect(await stopped.save('late', before)).toBe(false);
    expect(await stopped.load()).toMatchObject({ text: '29' });
    expect(readdirSync(path())).not.toContain('wallet.2');
  });

  it('lets others clear away first what such a process had written', async () => {
    const [stopped, others] = [fileStorage(path()), fileStorage(path())];
    await others.save('0', undefined);
    const before = (await stopped.load())?.revision;
    for (let index = 1; index < 30; index++) await others.save(String(index), (await others.load())?.revision);
    const late = stopped.save('late', before);
    const own = join(path(), 'wallet.2');
    while (!existsSync(own)) await setImmediate();
    rmSync(own);
    expect(await late).toBe(false);
    expect(await stopped.load()).toMatchObject({ text: '29' });
  });

  it('is not touched by what a killed process left half written', async () => {
    const storage = fileStorage(path());
    await storage.save('whole', undefined);
    writeFileSync(join(path(), 'draft-0'), 'ha');
    expect(await storage.load()).toEqual({ text: 'whole', revision: '1' });
  });

  it('says which folder cannot be used', async () => {
    mkdirSync(path());
    writeFileSync(join(path(), 'file'), '');
    const storage = fileStorage(join(path(), 'file', 'wallet'));
    await expect(storage.save('text', undefined)).rejects.toMatchObject({
      name: 'WalletError',
      message: expect.stringContaining(join(path(), 'file', 'wallet')) as string,
    });
  });
});
