import { join } from 'node:path';
import { CommandError } from './failures.js';
import { readJson, writePrivately } from './files.js';

/** Which service, and where its people sign in. */
export interface Settings {
  readonly gatekeeperUrl: string;
  readonly anonymizerUrl: string;
  /** Firebase's web API key of the project: public. */
  readonly apiKey: string;
  /** Firebase's emulator or stand-in; Google when absent. */
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

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
