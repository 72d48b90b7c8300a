import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

export interface WirePeer {
  connection_id: string;
  revision: number;
  status: 'pending' | 'active';
  public_key: string;
  preshared_key: string;
  allowed_ips: string[];
  dns_blocking: string;
  expires_at: string;
}

interface Row {
  connection_id: string;
  revision: number;
}

export const wireTunnel = {
  addresses: ['10.64.0.1/16', 'fdb7:4a2c:91e6::1/112'],
  resolvers: {
    none: ['10.64.0.2', 'fdb7:4a2c:91e6::2'],
    ads: ['10.64.0.3', 'fdb7:4a2c:91e6::3'],
    ads_trackers_malware: ['10.64.0.4', 'fdb7:4a2c:91e6::4'],
  },
  listen_port: 51820,
  mtu: 1420,
};

/** The backend's node endpoints, with responses that the test sets. */
export class FakeBackend {
  /** The peers in `GET /peers` and in a new stream's snapshot. */
  peers: unknown[] = [];
  complete: unknown = true;
  credential = 'credential-1';
  /** The authorization that a registration needs; the credential that it issues, when set. */
  registrationAuthorization = 'Bearer enrolment-token';
  nextCredential: string | undefined;
  nextPulse = 10;
  /** The interface settings in the response to a registration. */
  tunnel: unknown = wireTunnel;
  /** Called before a response to `path`. When it returns a number, that status is sent instead. */
  intercept: (path: string) => number | undefined | Promise<number | undefined> = () => undefined;

  readonly registrations: Record<string, unknown>[] = [];
  readonly pulses: Record<string, unknown>[] = [];
  readonly acks: { added: Row[]; removed: Row[] }[] = [];
  readonly requests: string[] = [];
  streamsOpened = 0;
  readonly #streams = new Set<ServerResponse>();
  #offline = false;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => {
      if (this.#offline) socket.resetAndDestroy();
    });
  }

  static async start(): Promise<FakeBackend> {
    const backend: FakeBackend = new FakeBackend(
      createServer((request, response) => void backend.#answer(request, response)),
    );
    await new Promise<void>((resolve) => backend.server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Closes all connections, and each new one until `goOnline`. It keeps the port, which another program could take. */
  goOffline(): void {
    this.#offline = true;
    this.#streams.clear();
    this.server.closeAllConnections();
  }

  goOnline(): void {
    this.#offline = false;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  get acked(): { added: string[]; removed: string[] } {
    const text = ({ connection_id, revision }: Row) => `${connection_id}@${revision}`;
    return {
      added: this.acks.flatMap(({ added }) => added.map(text)),
      removed: this.acks.flatMap(({ removed }) => removed.map(text)),
    };
  }

  send(type: string, data: unknown): void {
    this.sendRaw(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  sendRaw(text: string | Uint8Array): void {
    for (const stream of this.#streams) stream.write(text);
  }

  dropStreams(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.requests.push(`${request.method} ${path}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length > 0 ? (JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>) : {};
    const status = (await this.intercept(path)) ?? this.#refusal(request);
    if (status !== undefined)
      return json(response, status, { code: status === 401 ? 'invalid_node_credential' : 'refused' });
    switch (`${request.method} ${path}`) {
      case 'POST /node/register':
        this.registrations.push({ ...body, authorization: request.headers.authorization });
        return json(response, 201, {
          id: 'node-1',
          credential: this.#rotate(),
          interface: this.tunnel,
        });
      case 'POST /node/node-1/pulse':
        this.pulses.push(body);
        return json(response, 200, { status: 'healthy', next_pulse_s: this.nextPulse });
      case 'GET /node/node-1/peers':
        return json(response, 200, { complete: this.complete, peers: this.peers });
      case 'POST /node/node-1/acks':
        this.acks.push(body as unknown as { added: Row[]; removed: Row[] });
        return json(response, 200, { added: 0, removed: 0 });
      case 'GET /node/node-1/events':
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        this.streamsOpened++;
        this.#streams.add(response);
        response.write(`event: snapshot\ndata: ${JSON.stringify({ complete: this.complete, peers: this.peers })}\n\n`);
        return;
      default:
        return json(response, 404, { code: 'not_found' });
    }
  }

  #rotate(): string {
    this.credential = this.nextCredential ?? this.credential;
    return this.credential;
  }

  #refusal(request: IncomingMessage): number | undefined {
    const expected = request.url === '/node/register' ? this.registrationAuthorization : `Bearer ${this.credential}`;
    return request.headers.authorization === expected ? undefined : 401;
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** A peer as the backend sends it. Peers with different numbers have no key and no address in common. */
export function wirePeer(number: number, changes: Partial<WirePeer> = {}): WirePeer {
  return {
    connection_id: `connection-${number}`,
    revision: 1,
    status: 'pending',
    public_key: key(number),
    preshared_key: key(number + 1_000_000),
    allowed_ips: [
      `10.64.${(number >> 8) + 1}.${number & 255}/32`,
      `fdb7:4a2c:91e6::${(number + 255).toString(16)}/128`,
    ],
    dns_blocking: 'none',
    expires_at: '2030-01-01T00:00:00.000Z',
    ...changes,
  };
}

function key(number: number): string {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32BE(number, 28);
  return bytes.toString('base64');
}
