import { initializeApp } from '@firebase/app';
import {
  connectAuthEmulator,
  initializeAuth,
  inMemoryPersistence,
  signInWithEmailAndPassword,
  type User,
} from '@firebase/auth';
import {
  type ClientEvent,
  createClient,
  indexedDbStorage,
  type StoredText,
  memoryStorage,
  toQrSvg,
  toWgQuick,
  type WalletStorage,
} from '@vpn-backend/client';

/*
 * A minimal web app for the browser test. It is bundled as an app's own bundler would do, runs in a page with a third
 * origin, and signs users in with Firebase's own SDK.
 */

interface Settings {
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  readonly firebaseUrl: string;
  readonly email: string;
  readonly password: string;
}

/** The part of the DOM that is used here. */
declare const document: { querySelector(selector: 'main'): { innerHTML: string } };

function show(html: string): void {
  document.querySelector('main').innerHTML += html;
}

async function signIn({ firebaseUrl, email, password }: Settings): Promise<User> {
  const app = initializeApp({ projectId: 'demo-vpn', apiKey: 'any' });
  const auth = initializeAuth(app, { persistence: inMemoryPersistence });
  connectAuthEmulator(auth, firebaseUrl, { disableWarnings: true });
  return (await signInWithEmailAndPassword(auth, email, password)).user;
}

/** Signs in, prefetches tokens, spends one, and shows the QR code. */
export async function run(settings: Settings) {
  const user = await signIn(settings);
  show(`<p>Signed in as ${user.email}</p>`);
  const events: ClientEvent[] = [];
  const vpn = createClient({
    gatekeeperUrl: settings.gatekeeperUrl,
    anonymizerUrl: settings.anonymizerUrl,
    getIdToken: () => user.getIdToken(),
    wallet: indexedDbStorage(),
    onEvent: (event) => events.push(event),
  });
  await vpn.startTrial();
  const prefetched = await vpn.wallet.prefetchIfDue();
  show(`<p>${prefetched} tokens fetched</p>`);
  const connection = await vpn.connect({ location: 'Frankfurt' });
  const { status } = await vpn.connectionStatus(connection);
  const svg = toQrSvg(connection);
  show(`<p>Connected to ${connection.location}, ${(await vpn.wallet.status()).tokens} tokens left</p>${svg}`);
  return { prefetched, events, status, conf: toWgQuick(connection), svg };
}

/** Ends the stored connections after a reload, with no more than IndexedDB contains. */
export async function resume({ gatekeeperUrl, anonymizerUrl }: Settings) {
  const vpn = createClient({ gatekeeperUrl, anonymizerUrl, getIdToken: () => '', wallet: indexedDbStorage() });
  const before = await vpn.connections();
  for (const connection of before) await vpn.disconnect(connection);
  return { before: before.length, after: (await vpn.connections()).length, ...(await vpn.wallet.status()) };
}

/** Tests the contract of WalletStorage in a real browser: of many concurrent changes, none is lost. */
export async function countConcurrently(times: number): Promise<number> {
  const add = async (storage: WalletStorage) => {
    for (;;) {
      const stored: StoredText | undefined = await storage.load();
      if (await storage.save(String(Number(stored?.text ?? 0) + 1), stored?.revision)) return;
    }
  };
  const storages = [indexedDbStorage('count'), indexedDbStorage('count')];
  await Promise.all(Array.from({ length: times }, (_, index) => add(storages[index % 2] ?? memoryStorage())));
  return Number((await indexedDbStorage('count').load())?.text);
}
