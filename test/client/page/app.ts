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
  type Kept,
  memoryStorage,
  toQrSvg,
  toWgQuick,
  type WalletStorage,
} from '@vpn-backend/client';

/*
 * The smallest app that is one: what the browser test drives. It is bundled as an app's own bundler would, and runs in a page
 * of a third origin, as a web app does. People sign in by Firebase's own SDK.
 */

/** What the page needs to know. */
interface Settings {
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  readonly firebaseUrl: string;
  readonly email: string;
  readonly password: string;
}

/** As much of the page as is used here. */
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

/** Signs in, fetches tokens ahead, spends one, and shows the QR code. */
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
  const drawn = await vpn.wallet.prefetchIfDue();
  show(`<p>${drawn} tokens fetched</p>`);
  const connection = await vpn.connect({ location: 'Frankfurt' });
  const { status } = await vpn.connectionStatus(connection);
  const svg = toQrSvg(connection);
  show(`<p>Connected by ${connection.location}, ${(await vpn.wallet.status()).tokens} tokens left</p>${svg}`);
  return { drawn, events, status, conf: toWgQuick(connection), svg };
}

/** After a reload: what IndexedDB kept is enough to end the connection. */
export async function goOn({ gatekeeperUrl, anonymizerUrl }: Settings) {
  const vpn = createClient({ gatekeeperUrl, anonymizerUrl, getIdToken: () => '', wallet: indexedDbStorage() });
  const before = await vpn.connections();
  for (const connection of before) await vpn.disconnect(connection);
  return { before: before.length, after: (await vpn.connections()).length, ...(await vpn.wallet.status()) };
}

/** The contract of storages, in a real browser: of many that save at once, each change counts. */
export async function countTogether(times: number): Promise<number> {
  const add = async (storage: WalletStorage) => {
    for (;;) {
      const kept: Kept | undefined = await storage.load();
      if (await storage.save(String(Number(kept?.text ?? 0) + 1), kept?.revision)) return;
    }
  };
  const storages = [indexedDbStorage('count'), indexedDbStorage('count')];
  await Promise.all(Array.from({ length: times }, (_, index) => add(storages[index % 2] ?? memoryStorage())));
  return Number((await indexedDbStorage('count').load())?.text);
}
