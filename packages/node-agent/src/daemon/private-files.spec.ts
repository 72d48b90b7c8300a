import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Credentials } from '../credentials.js';
import { ensurePrivateKey, FileCredentialStore } from './private-files.js';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vpn-node-'));
});
afterEach(() => rm(folder, { recursive: true }));

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe('ensurePrivateKey', () => {
  it('creates the key once, readable only by its owner', async () => {
    const path = join(folder, 'private.key');
    const made = await ensurePrivateKey(path);
    expect(await modeOf(path)).toBe('600');
    expect(await ensurePrivateKey(path)).toBe(made);
    expect(made).toMatch(/^[A-Za-z0-9+/]{43}=$/);
  });

  it('creates one key when ten calls race', async () => {
    const path = join(folder, 'private.key');
    const keys = await Promise.all(Array.from({ length: 10 }, () => ensurePrivateKey(path)));
    expect(new Set(keys).size).toBe(1);
  });

  it('derives the public key of RFC 7748 §6.1', async () => {
    const path = join(folder, 'private.key');
    const alice = Buffer.from('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a', 'hex');
    await writeFile(path, alice.toString('base64'), { mode: 0o600 });
    expect(Buffer.from(await ensurePrivateKey(path), 'base64').toString('hex')).toBe(
      '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
    );
  });

  it('refuses a key that other users can read, and a file without a key', async () => {
    const path = join(folder, 'private.key');
    await ensurePrivateKey(path);
    await chmod(path, 0o640);
    await expect(ensurePrivateKey(path)).rejects.toThrow('chmod 600');
    await writeFile(path, 'secret', { mode: 0o600 });
    await chmod(path, 0o600);
    await expect(ensurePrivateKey(path)).rejects.toThrow('no WireGuard private key');
  });
});

describe('FileCredentialStore', () => {
  const credentials: Credentials = {
    id: 'node-1',
    credential: 'secret',
    interface: {
      addresses: ['10.64.0.1/16', 'fdb7:4a2c:91e6::1/112'],
      resolvers: {
        none: ['10.64.0.2', 'fdb7:4a2c:91e6::2'],
        ads: ['10.64.0.3', 'fdb7:4a2c:91e6::3'],
        ads_trackers_malware: ['10.64.0.4', 'fdb7:4a2c:91e6::4'],
      },
      listenPort: 51820,
      mtu: 1420,
    },
    registered: { publicKey: 'key', ip: '203.0.113.7', locationId: 'de-frankfurt' },
  };

  it('loads what was saved, in a file readable only by its owner', async () => {
    const path = join(folder, 'credential.json');
    const store = new FileCredentialStore(path);
    expect(await store.load()).toBeUndefined();
    await store.save(credentials);
    expect(await store.load()).toEqual(credentials);
    expect(await modeOf(path)).toBe('600');
  });

  it('replaces the file atomically, also after a save that was killed', async () => {
    const path = join(folder, 'credential.json');
    const store = new FileCredentialStore(path);
    await store.save(credentials);
    await writeFile(`${path}.new`, '{"id":"no', { mode: 0o644 });
    expect(await store.load()).toEqual(credentials);
    await store.save({ ...credentials, credential: 'another' });
    expect(await store.load()).toMatchObject({ credential: 'another' });
    expect(await modeOf(path)).toBe('600');
    await expect(readFile(`${path}.new`)).rejects.toThrow('ENOENT');
  });

  it('refuses a file that other users can read, and a damaged file', async () => {
    const path = join(folder, 'credential.json');
    const store = new FileCredentialStore(path);
    await store.save(credentials);
    await chmod(path, 0o644);
    await expect(store.load()).rejects.toThrow('chmod 600');
    for (const damaged of [
      '',
      '{"id":"node-1"',
      '[]',
      '{"id":"node-1"}',
      '{"id":"node-1","credential":"x","interface":{}}',
    ]) {
      await writeFile(path, damaged);
      await chmod(path, 0o600);
      await expect(store.load()).rejects.toThrow('is damaged');
    }
  });
});
