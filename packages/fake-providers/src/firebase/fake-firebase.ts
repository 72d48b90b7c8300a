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
  /** Of the plain HTTP listener; a free one by default. */
  readonly port?: number;
  /** Keeps accounts, refresh tokens and the signing key in its `firebase` folder; without it all is gone at `close`. */
  readonly dataDir?: string;
  /** What tokens and revocations are dated by; the machine's clock by default. */
  readonly clock?: Clock;
}

/** Firebase Auth and Cloud Messaging on 127.0.0.1: the public REST API for clients and backends, and what tests need to do to it. */
export interface FakeFirebase {
  /** Plain HTTP, for clients: `connectAuthEmulator(auth, url)`, or the REST paths themselves. */
  readonly url: string;
  /** Answers as `*.googleapis.com` to a backend that trusts the CA and sends there what it would send to Google. */
  readonly tls: { readonly url: string; readonly caFile: string };
  /** An account without the detour of signing up; `mintIdToken` signs it in. */
  createAccount(account: { email: string; emailVerified?: boolean; createdAt?: Date }): { uid: string };
  /** An ID token of a sign-in of this moment, right but for the overrides. The uid need not exist. */
  mintIdToken(uid: string, overrides?: IdTokenOverrides): Promise<string>;
  /** Ends every sign-in so far, those of this very second included. */
  revoke(uid: string): void;
  disable(uid: string): void;
  enable(uid: string): void;
  delete(uid: string): void;
  /** Adds a way to sign in, such as `google.com`. */
  link(uid: string, provider: string): void;
  /** As a person proves their address, or takes another. */
  setEmail(uid: string, email: string, verified: boolean): void;
  exists(uid: string): boolean;
  /** How many accounts a backend has looked up since the start: one's, or anybody's. */
  countLookups(uid?: string): number;
  /** Pushes that were taken, in the order they came. */
  readonly pushes: readonly CaughtPush[];
  /** Refuses pushes to a device from now on; without a fault, takes them again. */
  failPushesTo(token: string, fault?: PushFault): void;
  /** Fails every request from now on, on both listeners. */
  goDown(how?: Outage): void;
  comeBack(): void;
  close(): Promise<void>;
}

export async function startFakeFirebase(options: FakeFirebaseOptions): Promise<FakeFirebase> {
  const { projectId, port = 0, dataDir, clock = systemClock } = options;
  const stored = new StoredState(dataDir);
  const before = stored.read();
  const signer = before?.signer ?? (await createTokenSigner());
  const accounts = new Accounts(clock, () => stored.write({ ...accounts.snapshot(), signer }), before);
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
