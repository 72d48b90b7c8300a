import { createClient, type VpnClient } from '../client.js';
import { type ClientEvent } from '../events.js';
import { fileStorage } from '../node/file-storage.js';
import { CommandError, exitCodes } from './failures.js';
import { homeFolder } from './files.js';
import { type Io } from './io.js';
import { tokenCount } from './output.js';
import { Firebase, readSession } from './session.js';
import { readSettings, type Settings, walletFolder } from './settings.js';

/** What all commands share. */
export interface Context {
  readonly io: Io;
  readonly home: string;
  client(): Promise<VpnClient>;
  settings(given?: Partial<Settings>): Promise<Settings>;
  firebase(settings: Settings): Firebase;
  /** Mails a verification link to the signed-in user. @throws {CommandError} */
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
        onEvent: (event) => logEvent(io, event),
        fetch,
      });
    },
  };
}

/** @throws {CommandError} the user is not signed in, or no longer */
async function idToken(home: string, firebase: Firebase): Promise<string> {
  const session = await readSession(home);
  if (session === undefined) {
    throw new CommandError('You are not signed in.', 'not_signed_in', exitCodes.signIn, 'Sign in: vpn login');
  }
  return 'refreshToken' in session ? firebase.idToken(session.refreshToken) : session.idToken;
}

function logEvent(io: Io, event: ClientEvent): void {
  if (event.type === 'fetched_out_of_turn') {
    io.log(
      `The wallet was empty, so vpn fetched ${tokenCount(event.tokens)} now. The service sees when tokens are fetched: run ` +
        '"vpn wallet prefetch" every hour to have tokens before you connect.',
    );
  }
  if (event.type === 'tokens_lost') {
    const why = event.reason === 'retired' ? 'the operator retired the key' : 'refused by the service';
    io.log(`${tokenCount(event.tokens)} can no longer be spent: ${why}.`);
  }
  if (event.type === 'partitioning_suspected') io.log(`${event.error.message} Tokens of this key are not used.`);
}
