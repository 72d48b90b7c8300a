import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from 'node:net';
import { askDaemon, type Request, StatusSocket } from './status-socket.js';

let path: string;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vpn-node-'));
  path = join(folder, 'status.sock');
});
afterEach(() => rm(folder, { recursive: true }));

describe('the status socket', () => {
  it('tells its owner alone, every time anew', async () => {
    let peers = 1;
    const socket = await StatusSocket.open(path, () => ({ peers: peers++ }));
    expect([await askDaemon(path, 'status'), await askDaemon(path, 'status')]).toEqual([{ peers: 1 }, { peers: 2 }]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await socket.close();
    expect(await askDaemon(path, 'status')).toBeUndefined();
  });

  it('is one daemon’s at a time, until that has ended in whatever way', async () => {
    const socket = await StatusSocket.open(path, () => ({}));
    await expect(StatusSocket.open(path, () => ({}))).rejects.toThrow('another vpn-node-agent is running');
    await socket.close();
    await writeFile(path, 'what a crash has left');
    await (await StatusSocket.open(path, () => ({}))).close();
  });

  it('passes on what it is asked for, and takes anything else for a question', async () => {
    const requests: Request[] = [];
    const socket = await StatusSocket.open(path, (request) => ({ said: requests.push(request) }));
    requests.splice(0);
    expect(await askDaemon(path, 'drain')).toEqual({ said: 1 });
    await new Promise<void>((resolve) => connect({ path }).end('drain it').resume().once('close', resolve));
    expect(requests).toEqual(['drain', 'status']);
    await socket.close();
  });
});
