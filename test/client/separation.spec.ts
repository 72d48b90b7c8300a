import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { once } from 'node:events';
import { createClient, memoryStorage, toWgQuick } from '@vpn-backend/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formsOf } from '../../dev/demo/search.js';
import { type ClientWorld, idTokenOf, startClientWorld } from '../support/client-world.js';

/*
 * Records every byte that a client sends to each side, while a malicious gatekeeper tries to mark the client with cookies, ids
 * and tags in every answer.
 */

/** Values in the gatekeeper's answers. If one of them reached the anonymizer, it would link the two sides. */
const marks = {
  cookie: 'gk-cookie-7d1f3c',
  'set-cookie2': 'gk-cookie-two-9a',
  etag: '"gk-tag-51be"',
  'x-request-id': 'gk-request-0c77',
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  'alt-svc': 'h3="gk-alt-2b91.example:443"',
  link: '<https://gk-link-aa10.example>; rel=preconnect',
  'clear-site-data-mark': 'gk-data-77ef',
};

/** A proxy that records everything that clients send through it. */
class RecordingProxy {
  private readonly chunks: Buffer[] = [];

  private constructor(
    private readonly server: TcpServer,
    readonly url: string,
  ) {}

  static async before(upstream: string): Promise<RecordingProxy> {
    const { hostname, port } = new URL(upstream);
    const server = createTcpServer((client) => {
      const service = connect(Number(port), hostname);
      client.on('data', (chunk: Buffer) => proxy.chunks.push(chunk));
      client.pipe(service).pipe(client);
      client.on('error', () => service.destroy());
      service.on('error', () => client.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const proxy: RecordingProxy = new RecordingProxy(server, url);
    return proxy;
  }

  /** Everything that was sent, as text with one character per byte. */
  sent(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  requests(): string[] {
    return this.sent().split(/(?=(?:GET|POST|DELETE) \/\S* HTTP\/1\.1\r\n)/);
  }

  requestLines(): string[] {
    return this.requests().map((request) => request.split(' HTTP/1.1')[0] ?? '');
  }

  /** In lower case. */
  headerNames(): Set<string> {
    const heads = this.requests().map((request) => request.split('\r\n\r\n')[0] ?? '');
    const names = heads.flatMap((head) => [...head.matchAll(/\r\n([A-Za-z0-9-]+):/g)].map(([, name = '']) => name));
    return new Set(names.map((name) => name.toLowerCase()));
  }

  close(): void {
    this.server.close();
  }
}

/** A proxy of the gatekeeper that adds all marks to every answer. */
async function startMarking(upstream: string): Promise<Server> {
  const server = createServer((request, response) => {
    const body: Buffer[] = [];
    request.on('data', (chunk: Buffer) => body.push(chunk));
    request.on('end', () => {
      const { host: _host, connection: _connection, ...headers } = request.headers;
      const init = { method: request.method ?? 'GET', headers: headers as Record<string, string> };
      void fetch(`${upstream}${request.url}`, { ...init, ...(body.length > 0 && { body: Buffer.concat(body) }) }).then(
        async (answer) => {
          response.statusCode = answer.status;
          response.setHeader('content-type', answer.headers.get('content-type') ?? 'application/json');
          response.setHeader('set-cookie', [
            `id=${marks.cookie}; Path=/`,
            `id2=${marks['set-cookie2']}; Domain=127.0.0.1`,
          ]);
          for (const [name, value] of Object.entries(marks))
            if (!name.includes('cookie')) response.setHeader(name, value);
          response.end(Buffer.from(await answer.arrayBuffer()));
        },
        () => response.destroy(),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

let world: ClientWorld;
let marking: Server;
let [gatekeeper, anonymizer]: [RecordingProxy?, RecordingProxy?] = [];

beforeAll(async () => {
  world = await startClientWorld();
  marking = await startMarking(world.gatekeeper.service.url);
  gatekeeper = await RecordingProxy.before(`http://127.0.0.1:${(marking.address() as AddressInfo).port}`);
  anonymizer = await RecordingProxy.before(world.anonymizer.url);
});
afterAll(async () => {
  gatekeeper?.close();
  anonymizer?.close();
  marking.close();
  await world.stop();
});

describe('VpnClient on the wire', () => {
  it('sends the anonymizer nothing about the user, and the gatekeeper nothing about the connection', async () => {
    const { user, again } = await world.newClient();
    const wallet = memoryStorage();
    const client = again({ gatekeeperUrl: gatekeeper!.url, anonymizerUrl: anonymizer!.url, wallet });

    await client.subscription();
    await client.wallet.prefetchIfDue();
    await client.locations();
    const first = await client.connect({ location: world.location, dnsBlocking: 'ads' });
    const second = await client.renew(first, () => {}, { location: world.otherLocation });
    await client.connectionStatus(second);
    const [ownToken] = await client.fetchTokens(1);
    await client.redeem({ ...ownToken!, location: world.location });
    await client.disconnect(second);

    const [toGatekeeper, toAnonymizer] = [gatekeeper!.sent(), anonymizer!.sent()];
    const idToken = idTokenOf(user);
    // The recordings contain what must be there.
    expect(toGatekeeper).toContain(idToken);
    expect(toAnonymizer).toContain(first.publicKey);
    expect(gatekeeper!.requestLines()).toContain('POST /auth/vpn-token');
    expect(anonymizer!.requestLines()).toContain('POST /vpn/config');

    const blinded = [...toGatekeeper.matchAll(/"([A-Za-z0-9_-]{342})"/g)].map(([, text = '']) => text);
    expect(new Set(blinded).size).toBe(3);
    const identity = [
      ...[idToken, ...idToken.split('.')].flatMap((text) => formsOf(text, 'utf8')),
      ...formsOf(user.uid, 'utf8'),
      ...formsOf(user.email, 'utf8'),
      ...blinded.flatMap((text) => formsOf(text, 'base64url')),
      ...Object.values(marks),
    ];
    for (const value of identity) expect(toAnonymizer, value).not.toContain(value);

    const traffic = [
      ...[first, second]
        .flatMap(({ publicKey, privateKey }) => [publicKey, privateKey])
        .flatMap((key) => formsOf(key, 'base64')),
      ...[first, second].flatMap(({ id, config }) => [id, ...formsOf(config.connection_secret, 'base64url')]),
      ...formsOf(ownToken!.token, 'base64url'),
      ...formsOf(ownToken!.signature, 'base64url'),
      ...spentTokens(toAnonymizer).flatMap((text) => formsOf(text, 'base64url')),
      ...[world.location, world.otherLocation, toWgQuick(first)],
    ];
    for (const value of traffic) expect(toGatekeeper, value).not.toContain(value);
  });

  it('sends no header that could distinguish clients', () => {
    const platform = [
      'host',
      'connection',
      'accept',
      'accept-language',
      'accept-encoding',
      'sec-fetch-mode',
      'user-agent',
    ];
    const ours = ['authorization', 'cache-control', 'content-type', 'content-length', 'pragma'];
    for (const proxy of [gatekeeper!, anonymizer!]) {
      expect([...proxy.headerNames()].filter((name) => ![...platform, ...ours].includes(name))).toEqual([]);
    }
    // The only credential that the anonymizer receives is the secret of a connection.
    const credentials = [...anonymizer!.sent().matchAll(/^authorization: Bearer (.*)\r$/gim)].map(
      ([, text = '']) => text,
    );
    expect(credentials.length).toBeGreaterThan(0);
    for (const credential of credentials) expect(credential).toMatch(/^[\w-]{43}$/);
  });

  it('requests the keys of both sides without credentials', () => {
    for (const proxy of [gatekeeper!, anonymizer!]) {
      const directories = proxy.requests().filter((text) => text.startsWith('GET /.well-known/'));
      expect(directories.length).toBeGreaterThan(0);
      for (const request of directories) expect(request).not.toMatch(/authorization|cookie/i);
    }
  });

  it('follows no redirect', async () => {
    const target = await RecordingProxy.before(world.anonymizer.url);
    const redirecting = createServer((_request, response) => {
      response.writeHead(307, { location: `${target.url}/vpn/config` }).end();
    }).listen(0, '127.0.0.1');
    await once(redirecting, 'listening');
    const url = `http://127.0.0.1:${(redirecting.address() as AddressInfo).port}`;
    const client = createClient({ gatekeeperUrl: url, anonymizerUrl: url, getIdToken: () => 'id token' });
    await expect(client.subscription()).rejects.toMatchObject({ code: 'unreachable' });
    await expect(client.redeem({ token: 't', signature: 's', location: 'x' })).rejects.toMatchObject({
      code: 'unreachable',
    });
    expect(target.sent()).toBe('');
    target.close();
    redirecting.close();
  });
});

/** The tokens and signatures of all redemptions. */
function spentTokens(sent: string): string[] {
  return [...sent.matchAll(/"(?:token|signature)":"([A-Za-z0-9_-]+)"/g)].map(([, text = '']) => text);
}
