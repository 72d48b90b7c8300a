import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type Clock, closeServer, host, listen, systemClock } from '../common/index.js';
import { Accounts } from './accounts.js';
import { AdminApi } from './admin-api.js';
import { createTlsIdentity, createTokenSigner } from './certificates.js';
import { ClientApi } from './client-api.js';
import { type IdTokenOverrides, IdTokens } from './id-tokens.js';
import { type CaughtPush, MessagingApi, type PushFault } from './messaging.js';
import { type Outage, Router } from './router.js';
import { actionLink, routes } from './routes.js';
import { StoredState } from './stored-state.js';

export interface FakeFirebaseOptions {
  readonly projectId: string;
  /** The port of the plain HTTP listener; a free one by default. */
  readonly port?: number;
  /** Stores accounts, refresh tokens and the signing key in its `firebase` folder. Without it, `close` discards everything. */
  readonly dataDir?: string;
  /** The clock for tokens and revocations; the machine's by default. */
  readonly clock?: Clock;
}

/** Firebase Auth and Cloud Messaging on 127.0.0.1: the public REST API for clients and backends, and controls for tests. */
export interface FakeFirebase {
  /** Plain HTTP, for clients: use it in `connectAuthEmulator(auth, url)`, or call the REST paths directly. */
  readonly url: string;
  /** HTTPS as `*.googleapis.com`, for backends that trust the CA and connect here instead of to Google. */
  readonly tls: { readonly url: string; readonly caFile: string };
  /** Creates an account without a sign-up. `mintIdToken` signs in to it. */
  createAccount(account: { email: string; emailVerified?: boolean; createdAt?: Date }): { uid: string };
  /** Signs in now and returns a valid ID token, except for the overrides. The uid need not exist. */
  mintIdToken(uid: string, overrides?: IdTokenOverrides): Promise<string>;
  /** Revokes all sign-ins so far, including those of the current second. */
  revoke(uid: string): void;
  disable(uid: string): void;
  enable(uid: string): void;
  delete(uid: string): void;
  /** Adds a sign-in provider, such as `google.com`. */
  link(uid: string, provider: string): void;
  /** Changes the address, or whether it is verified. */
  setEmail(uid: string, email: string, verified: boolean): void;
  exists(uid: string): boolean;
  /** The number of backend lookups of this account, or of all accounts, since the start. */
  countLookups(uid?: string): number;
  /** All accepted push messages, oldest first. */
  readonly pushes: readonly CaughtPush[];
  /** Refuses push messages to a device from now on. Without a fault it accepts them again. */
  failPushesTo(token: string, fault?: PushFault): void;
  /** Fails all requests on both listeners until `comeBack`. */
  goDown(how?: Outage): void;
  comeBack(): void;
  close(): Promise<void>;
}

export async function startFakeFirebase(options: FakeFirebaseOptions): Promise<FakeFirebase> {
  const { projectId, port = 0, dataDir, clock = systemClock } = options;
  const stored = new StoredState(dataDir);
  const snapshot = stored.read();
  const signer = snapshot?.signer ?? (await createTokenSigner());
  const accounts = new Accounts(clock, () => stored.write({ ...accounts.snapshot(), signer }), snapshot);
  stored.write({ ...accounts.snapshot(), signer });
  const idTokens = new IdTokens(projectId, signer, clock);
  const client = new ClientApi(accounts, idTokens, projectId);
  let url = '';
  const admin = new AdminApi(accounts, (code) => actionLink(url, code));
  const messaging = new MessagingApi();
  const router = new Router(routes({ projectId, client, admin, messaging, accounts, idTokens }));

  const { ca, ...identity } = await createTlsIdentity();
  const plain = createHttpServer(router.handle);
  const secure = createHttpsServer(identity, router.handle);
  const close = async () => {
    await Promise.all([plain, secure].map(closeServer));
    stored.removeIfTemporary();
  };
  try {
    const [plainPort, securePort] = [await listen(plain, port), await listen(secure, 0)];
    url = `http://${host}:${plainPort}`;
    return {
      url,
      tls: { url: `https://${host}:${securePort}`, caFile: stored.writeCa(ca) },
      createAccount: ({ email, emailVerified, createdAt }) =>
        accounts.create(email, undefined, emailVerified, createdAt),
      mintIdToken: (uid, overrides) => {
        const account = accounts.find(uid);
        const signIn = account ? accounts.signIn(account) : { uid, authTime: Math.floor(clock.now().getTime() / 1000) };
        return idTokens.mint(signIn, account, overrides);
      },
      revoke: (uid) => void accounts.update(uid, { validSince: accounts.nextValidSince() }),
      disable: (uid) => void accounts.update(uid, { disabled: true }),
      enable: (uid) => void accounts.update(uid, { disabled: false }),
      delete: (uid) => void accounts.delete(uid),
      link: (uid, provider) => void accounts.update(uid, { linked: [...(accounts.find(uid)?.linked ?? []), provider] }),
      setEmail: (uid, email, emailVerified) => void accounts.update(uid, { email, emailVerified }),
      exists: (uid) => accounts.find(uid) !== undefined,
      countLookups: (uid) => admin.countLookups(uid),
      pushes: messaging.pushes,
      failPushesTo: (token, fault) => messaging.failPushesTo(token, fault),
      goDown: (how = 'refusing') => {
        router.outage = how;
      },
      comeBack: () => {
        router.outage = undefined;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
