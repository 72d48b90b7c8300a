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

/** Two storages of the same wallet, as in two tabs or processes. */
const storages: [string, () => [WalletStorage, WalletStorage]][] = [
  ['memory', () => [memory, memory]],
  ['a folder', () => [fileStorage(join(folder, 'wallet')), fileStorage(join(folder, 'wallet'))]],
  ['IndexedDB', () => [indexedDbStorage(folder), indexedDbStorage(folder)]],
];

describe.each(storages)('a wallet stored in %s', (_, open) => {
  it('loads the last saved text in every tab or process', async () => {
    const [one, two] = open();
    expect(await one.load()).toBeUndefined();
    expect(await one.save('first', undefined)).toBe(true);
    const stored = await two.load();
    expect(stored?.text).toBe('first');
    expect(await two.save('second', stored?.revision)).toBe(true);
    expect(await one.load()).toMatchObject({ text: 'second' });
  });

  it('does not overwrite what another process has saved', async () => {
    const [one, two] = open();
    const before = (await one.load())?.revision;
    expect(await one.save('mine', before)).toBe(true);
    expect(await two.save('theirs', before)).toBe(false);
    expect(await two.load()).toMatchObject({ text: 'mine' });
  });

  it('loses none of many concurrent changes', async () => {
    const pair = open();
    const start = (await pair[0].load())?.revision;
    await pair[0].save(JSON.stringify(emptyWallet), start);
    const wallets = pair.map((storage) => new Wallet(storage, () => 0));
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

describe('fileStorage', () => {
  const path = () => join(folder, 'wallet');
  const mode = (file: string) => statSync(file).mode & 0o777;

  it('creates files that only their owner can read', async () => {
    await fileStorage(path()).save('secret', undefined);
    expect(mode(path())).toBe(0o700);
    for (const name of readdirSync(path())) expect([name, mode(join(path(), name))]).toEqual([name, 0o600]);
  });

  it('empties old files and limits their number', async () => {
    const storage = fileStorage(path());
    for (let index = 0; index < 40; index++) await storage.save(`secret ${index}`, (await storage.load())?.revision);
    const filled = readdirSync(path()).filter((name) => statSync(join(path(), name)).size > 0);
    expect(filled).toEqual(['wallet.40']);
    expect(readdirSync(path()).length).toBeLessThanOrEqual(18);
  });

  it('refuses the save of a process that was suspended while others saved many times', async () => {
    const [suspended, others] = [fileStorage(path()), fileStorage(path())];
    await others.save('0', undefined);
    const before = (await suspended.load())?.revision;
    for (let index = 1; index < 30; index++) await others.save(String(index), (await others.load())?.revision);
    // The number that the suspended process would use has become free again.
    expect(readdirSync(path())).not.toContain('wallet.2');
    expect(await suspended.save('late', before)).toBe(false);
    expect(await suspended.load()).toMatchObject({ text: '29' });
    expect(readdirSync(path())).not.toContain('wallet.2');
  });

  it('refuses the save of a suspended process even after its file was removed', async () => {
    const [suspended, others] = [fileStorage(path()), fileStorage(path())];
    await others.save('0', undefined);
    const before = (await suspended.load())?.revision;
    for (let index = 1; index < 30; index++) await others.save(String(index), (await others.load())?.revision);
    const late = suspended.save('late', before);
    const lateFile = join(path(), 'wallet.2');
    while (!existsSync(lateFile)) await setImmediate();
    rmSync(lateFile);
    expect(await late).toBe(false);
    expect(await suspended.load()).toMatchObject({ text: '29' });
  });

  it('ignores a partly written draft of a killed process', async () => {
    const storage = fileStorage(path());
    await storage.save('whole', undefined);
    writeFileSync(join(path(), 'draft-0'), 'ha');
    expect(await storage.load()).toEqual({ text: 'whole', revision: '1' });
  });

  it('names the folder that cannot be used', async () => {
    mkdirSync(path());
    writeFileSync(join(path(), 'file'), '');
    const storage = fileStorage(join(path(), 'file', 'wallet'));
    await expect(storage.save('text', undefined)).rejects.toMatchObject({
      name: 'WalletError',
      message: expect.stringContaining(join(path(), 'file', 'wallet')) as string,
    });
  });
});
