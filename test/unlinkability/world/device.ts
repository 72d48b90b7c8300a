import { type Connection, createClient, type Fetch, type VpnClient } from '@vpn-backend/client';
import { type FakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { connectionIdOf, tokenHashOf } from '../../../src/connection/connection-id.js';
import { secretHashOf } from '../../../src/connection/connection-secrets.service.js';
import { type SimulatedUser } from './population.js';
import { type ServiceClock } from './service-clock.js';

/** A connection as its client knows it. */
export interface MadeConnection {
  readonly id: string;
  readonly user: SimulatedUser;
  /** Unix milliseconds of the service's clock. */
  readonly begunAt: number;
  endedAt?: number;
  /** The connection that it replaced. */
  readonly renewalOf?: string;
  /** 32 bytes each. */
  readonly publicKey: Buffer;
  readonly tokenHash: Buffer;
  readonly secretHash: Buffer;
}

export interface DeviceOptions {
  readonly user: SimulatedUser;
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  readonly firebase: FakeFirebase;
  readonly clock: ServiceClock;
  readonly afterAct: (device: Device) => Promise<void>;
}

/** Firebase's ID tokens live an hour, and its SDK replaces them five minutes earlier. */
const idTokenMs = 55 * 60_000;

/** Fewer than the SDK's default, because signatures take most of the time of a run. */
const tokensPerDay = 3;

/** A user's device, with the SDK as an app would use it. It remembers the truth that the adversary looks for. */
export class Device {
  readonly uid: string;
  readonly client: VpnClient;
  readonly connections: MadeConnection[] = [];
  private readonly tokenHashes = new Map<string, Buffer>();
  private idToken: { readonly text: string; readonly at: number } | undefined;
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly options: DeviceOptions) {
    const { user, firebase, clock, gatekeeperUrl, anonymizerUrl } = options;
    this.uid = firebase.createAccount({ email: user.email, emailVerified: true, createdAt: clock.now() }).uid;
    this.client = createClient({
      gatekeeperUrl,
      anonymizerUrl,
      tokensPerDay,
      getIdToken: () => this.signIn(),
      fetch: (input, init) => this.fetch(input, init),
      now: () => clock.now().getTime(),
      random: () => user.random.next(),
    });
  }

  get user(): SimulatedUser {
    return this.options.user;
  }

  /** Runs one act at a time. */
  act(run: () => Promise<void>): Promise<void> {
    this.last = this.last
      .then(run)
      .then(() => this.options.afterAct(this))
      .catch((cause: unknown) => {
        throw new Error(`An act of ${this.user.name} (${this.user.cohort}) failed: ${String(cause)}`, { cause });
      });
    return this.last;
  }

  async startTrial(): Promise<void> {
    const { location, dnsBlocking, hasPreferences } = this.user;
    await this.client.startTrial();
    if (hasPreferences) await this.client.account.changePreferences({ defaultLocation: location, dnsBlocking }, '*');
  }

  async connect(): Promise<Connection> {
    const { location, dnsBlocking } = this.user;
    return this.record(await this.client.connect({ location, dnsBlocking }));
  }

  async renew(previous: Connection): Promise<Connection> {
    const next = await this.client.renew(previous, () => undefined);
    this.end(previous);
    return this.record(next, previous.id);
  }

  async disconnect(connection: Connection): Promise<void> {
    await this.client.disconnect(connection);
    this.end(connection);
  }

  private get now(): number {
    return this.options.clock.now().getTime();
  }

  private end({ id }: Connection): void {
    const made = this.connections.find((connection) => connection.id === id);
    if (made !== undefined) made.endedAt = this.now;
  }

  private record(connection: Connection, renewalOf?: string): Connection {
    const { id, publicKey, config } = connection;
    const tokenHash = this.tokenHashes.get(id);
    if (tokenHash === undefined) throw new Error(`${this.user.name} spent no token on the connection ${id}.`);
    this.connections.push({
      id,
      user: this.user,
      begunAt: this.now,
      ...(renewalOf !== undefined && { renewalOf }),
      publicKey: Buffer.from(publicKey, 'base64'),
      tokenHash,
      secretHash: secretHashOf(config.connection_secret),
    });
    return connection;
  }

  private async signIn(): Promise<string> {
    if (this.idToken === undefined || this.now >= this.idToken.at + idTokenMs) {
      const at = this.now;
      this.idToken = { text: await this.options.firebase.mintIdToken(this.uid), at };
    }
    return this.idToken.text;
  }

  /** Sends from the user's address, as the proxy of a deployment reports it. */
  private fetch(...[input, init = {}]: Parameters<Fetch>): ReturnType<Fetch> {
    this.noteToken(input, init);
    const headers = new Headers(init.headers);
    headers.set('x-forwarded-for', this.user.address);
    return fetch(input, { ...init, headers });
  }

  private noteToken(input: unknown, { body }: RequestInit): void {
    if (typeof input !== 'string' || !input.endsWith('/vpn/config') || typeof body !== 'string') return;
    const { token } = JSON.parse(body) as { token: string };
    const hash = tokenHashOf(Buffer.from(token, 'base64url'));
    this.tokenHashes.set(connectionIdOf(hash), hash);
  }
}
