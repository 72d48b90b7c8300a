import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { CommandError } from './failures.js';
import { readJson, writePrivately } from './files.js';

/** The service to use, and the Firebase project where its users sign in. */
export interface Settings {
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  /** The Firebase project's web API key, which is public. */
  readonly apiKey: string;
  /** A Firebase emulator or fake; by default Google's servers. */
  readonly firebaseUrl?: string;
}

const variables: Readonly<Record<keyof Settings, string>> = {
  gatekeeperUrl: 'VPN_GATEKEEPER_URL',
  anonymizerUrl: 'VPN_ANONYMIZER_URL',
  apiKey: 'VPN_FIREBASE_API_KEY',
  firebaseUrl: 'VPN_FIREBASE_URL',
};

const path = (home: string) => join(home, 'settings.json');

/**
 * The settings: options of `vpn login` first, then the environment, then the stored settings.
 *
 * @throws {CommandError} names every missing setting
 */
export async function readSettings(
  home: string,
  env: Readonly<Record<string, string | undefined>>,
  given: Partial<Settings> = {},
): Promise<Settings> {
  const names = Object.keys(variables) as (keyof Settings)[];
  const fromEnv = Object.fromEntries(
    names.flatMap((name) => (env[variables[name]] ? [[name, env[variables[name]]]] : [])),
  );
  const settings = { ...(await readJson<Partial<Settings>>(path(home))), ...fromEnv, ...defined(given) };
  const missing = names.filter((name) => name !== 'firebaseUrl' && !settings[name]);
  if (missing.length > 0) {
    throw new CommandError(
      `The service is not configured. Missing settings: ${missing.map((name) => variables[name]).join(', ')}.`,
      'no_service',
      undefined,
      'Configure it once: vpn login --gatekeeper <url> --anonymizer <url> --api-key <key>',
    );
  }
  return settings as Settings;
}

export async function writeSettings(home: string, settings: Settings): Promise<void> {
  await writePrivately(path(home), `${JSON.stringify(settings, null, 2)}\n`);
}

const accountPath = (home: string) => join(home, 'account.json');

/** Remembers the account whose wallet is used, also after a sign-out. @param uid stored as a hash */
export async function rememberAccount(home: string, uid: string): Promise<void> {
  await writePrivately(accountPath(home), `${JSON.stringify({ account: shortHash(uid) })}\n`);
}

/**
 * The folder of the wallet. Each account at each service has its own: tokens are valid at one service only, and a shared wallet
 * would link two accounts.
 */
export async function walletFolder(home: string, settings: Settings): Promise<string> {
  const { account = '' } = (await readJson<{ account?: string }>(accountPath(home))) ?? {};
  const urls = [settings.gatekeeperUrl, settings.anonymizerUrl].map((url) => new URL(url).href);
  return join(home, 'wallets', shortHash([...urls, account].join('\n')));
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
