import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { CommandError } from './failures.js';
import { readJson, writePrivately } from './files.js';

/** Which service, and where its people sign in. */
export interface Settings {
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  /** Firebase's web API key of the project: public. */
  readonly apiKey: string;
  /** Firebase's emulator or a fake of it; Google when absent. */
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
 * What was given to `vpn login`, over the environment, over what was remembered.
 *
 * @throws {CommandError} names every setting that is missing
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
      `It is not known which service to use: ${missing.map((name) => variables[name]).join(', ')} missing.`,
      'no_service',
      undefined,
      'Name it once: vpn login --gatekeeper <url> --anonymizer <url> --api-key <key>',
    );
  }
  return settings as Settings;
}

export async function writeSettings(home: string, settings: Settings): Promise<void> {
  await writePrivately(path(home), `${JSON.stringify(settings, null, 2)}\n`);
}

const accountPath = (home: string) => join(home, 'account.json');

/** Whose wallet is used, also after they have signed out. @param uid kept as its hash */
export async function rememberAccount(home: string, uid: string): Promise<void> {
  await writePrivately(accountPath(home), `${JSON.stringify({ account: shortHash(uid) })}\n`);
}

/** Each account at each service has a wallet of its own: neither could use the other's, and both together would tie them. */
export async function walletFolder(home: string, settings: Settings): Promise<string> {
  const { account = '' } = (await readJson<{ account?: string }>(accountPath(home))) ?? {};
  const places = [settings.gatekeeperUrl, settings.anonymizerUrl].map((url) => new URL(url).href);
  return join(home, 'wallets', shortHash([...places, account].join('\n')));
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
