import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryError, type DirectoryKey, renderDirectory } from '../directory.js';
import { epochTimes } from '../epoch.js';
import { serviceChallenge } from '../token-challenge.js';
import { encodeTokenKey, keyIdOf } from '../token-key.js';
import { HttpDirectorySource } from './http-directory-source.js';

const challenge = serviceChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' });
const spki = encodeTokenKey(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);
const { notBefore, signUntil, verifyUntil } = epochTimes(20_000);
const key: DirectoryKey = { keyId: keyIdOf(spki), spki, notBefore, signUntil, verifyUntil, retired: false };
const good = renderDirectory([key], challenge, notBefore);

let server: Server;
let url: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/directory`;
});

beforeEach(() => {
  answer = (_request, response) => response.end(good);
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const read = () => new HttpDirectorySource(url, challenge).read();

describe('HttpDirectorySource', () => {
  it('bypasses caches', async () => {
    let headers: IncomingMessage['headers'] = {};
    answer = (request, response) => {
      headers = request.headers;
      response.end(good);
    };
    expect(await read()).toEqual([key]);
    expect(headers).toMatchObject({
      accept: 'application/private-token-issuer-directory',
      'cache-control': 'no-cache',
    });
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['500', (response) => response.writeHead(500).end(good)],
    ['204', (response) => response.writeHead(204).end()],
    ['an empty body', (response) => response.end()],
    ['a truncated body', (response) => response.end(good.slice(0, -40))],
    ['HTML', (response) => response.end('<html>login</html>')],
    ['no keys', (response) => response.end('{"token-keys":[]}')],
    ['more than 128 KiB', (response) => response.end(good.padEnd(200_000, ' '))],
    [
      'another challenge',
      (response) =>
        response.end(renderDirectory([key], serviceChallenge({ issuerName: 'x', originInfo: 'y' }), notBefore)),
    ],
  ])('rejects a response with %s', async (_what, respond) => {
    answer = (_request, response) => respond(response);
    await expect(read()).rejects.toThrow(DirectoryError);
  });

  it('rejects a redirect to another address', async () => {
    answer = (request, response) => {
      if (request.url === '/directory') response.writeHead(302, { location: '/elsewhere' }).end();
      else response.end(good);
    };
    await expect(read()).rejects.toThrow();
  });

  it('rejects when the connection breaks', async () => {
    answer = (_request, response) => {
      response.write(good.slice(0, 100));
      setTimeout(() => response.destroy(), 20);
    };
    await expect(read()).rejects.toThrow();
  });

  it('rejects after 3 seconds, even when data keeps trickling in', async () => {
    const timers: NodeJS.Timeout[] = [];
    answer = (_request, response) => {
      timers.push(setInterval(() => response.write(' '), 100));
    };
    const started = performance.now();
    await expect(read()).rejects.toThrow();
    timers.forEach(clearInterval);
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});
