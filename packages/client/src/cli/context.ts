import { createClient, type VpnClient } from '../client.js';
import { type ClientEvent } from '../events.js';
import { fileStorage } from '../node/file-storage.js';
import { CommandError, exitCodes } from './failures.js';
import { homeFolder } from './files.js';
import { type Io } from './io.js';
import { Firebase, readSession } from './session.js';
import { readSettings, type Settings, walletFolder } from './settings.js';

/** What every command works with. */
export interface Context {
  readonly io: Io;
  readonly home: string;
  client(): Promise<VpnClient>;
  settings(given?: Partial<Settings>): Promise<Settings>;
  firebase(settings: Settings): Firebase;
  /** Mails whoever is signed in a link that proves the address. @throws {CommandError} */
  sendVerification(): Promise<void>;
}

export function contextOf(io: Io): Context {
  const home = homeFolder(io.env);
  const fetch = io.fetch ?? globalThis.fetch;
  const settings = (given?: Partial<Settings>) => readSettings(home, io.env, given);
  return {
    io,
    home,
    settings,
    firebase: (chosen) => new Firebase(chosen, fetch),
    sendVerification: async () => {
      const firebase = new Firebase(await settings(), fetch);
      await firebase.sendVerification(await idToken(home, firebase));
    },
    client: async () => {
      const chosen = await settings();
      return createClient({
        gatekeeperUrl: chosen.gatekeeperUrl,
        anonymizerUrl: chosen.anonymizerUrl,
        wallet: fileStorage(await walletFolder(home, chosen)),
        getIdToken: () => idToken(home, new Firebase(chosen, fetch)),
        onEvent: (event) => tell(io, event),
        fetch,
      });
    },
  };
}

/** @throws {CommandError} nobody is signed in, or no longer */
async function idToken(home: string, firebase: Firebase): Promise<string> {
  const session = await readSession(home);
  if (session === undefined) {
    throw new CommandError('Nobody is signed in.', 'not_signed_in', exitCodes.signIn, 'Sign in: vpn login');
  }
  return 'refreshToken' in session ? firebase.idToken(session.refreshToken) : session.idToken;
}

function tell(io: Io, event: ClientEvent): void {
  if (event.type === 'drawn_out_of_turn') {
    io.tell(
      `The wallet had run dry: ${event.tokens} tokens were fetched just now. The service sees when tokens are fetched, so let ` +
        '"vpn wallet draw" run every hour, and they are there beforehand.',
    );
  }
  if (event.type === 'tokens_lost') {
    const why = event.reason === 'retired' ? 'their key was retired by the operator' : 'the service refused them';
    io.tell(`${event.tokens} tokens are worthless: ${why}.`);
  }
  if (event.type === 'partitioning_suspected') io.tell(`${event.error.message} Tokens of such keys are not used.`);
}
