import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from 'node:net';
import { queryDaemon, type Request, StatusSocket } from './status-socket.js';

let path: string;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vpn-node-'));
  path = join(folder, 'status.sock');
});
afterEach(() => rm(folder, { recursive: true }));

describe('StatusSocket', () => {
  it('answers its owner alone, with the current status', async () => {
    let peers = 1;
    const socket = await StatusSocket.open(path, () => ({ peers: peers++ }));
    expect([await queryDaemon(path, 'status'), await queryDaemon(path, 'status')]).toEqual([
      { peers: 1 },
      { peers: 2 },
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await socket.close();
    expect(await queryDaemon(path, 'status')).toBeUndefined();
  });

  it('refuses a second daemon until the first has closed it or crashed', async () => {
    const socket = await StatusSocket.open(path, () => ({}));
    await expect(StatusSocket.open(path, () => ({}))).rejects.toThrow('another vpn-node-agent is running');
    await socket.close();
    await writeFile(path, 'what a crash has left');
    await (await StatusSocket.open(path, () => ({}))).close();
  });

  it('passes on the request, and treats an unknown one as status', async () => {
    const requests: Request[] = [];
    const socket = await StatusSocket.open(path, (request) => ({ said: requests.push(request) }));
    requests.splice(0);
    expect(await queryDaemon(path, 'drain')).toEqual({ said: 1 });
    await new Promise<void>((resolve) => connect({ path }).end('drain it').resume().once('close', resolve));
    expect(requests).toEqual(['drain', 'status']);
    await socket.close();
  });
});
