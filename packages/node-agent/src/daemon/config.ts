import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { isNetwork } from '../host/networks.js';

/** Every setting's name begins so, in the file and in the environment, which wins. */
const prefix = 'VPN_NODE_';

export const defaultConfigFile = '/etc/vpn-node-agent/node.env';

/** Reads the text of a setting. @throws {Error} saying what was expected */
type Parse<T> = (text: string) => T;

interface Setting<T> {
  readonly parse: Parse<T>;
  /** What holds when it is not set; without it, it must be. */
  readonly absent?: { readonly value: T };
}

const needed = <T>(parse: Parse<T>): Setting<T> => ({ parse });
const optional = <T, D>(parse: Parse<T>, value: D): Setting<T | D> => ({ parse, absent: { value } });

const matching =
  (isGood: (text: string) => boolean, expected: string): Parse<string> =>
  (text) => {
    if (!isGood(text)) throw new Error(`expected ${expected}`);
    return text;
  };

const whole =
  (least: number, most: number): Parse<number> =>
  (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most)) throw new Error(`expected a whole number from ${least} to ${most}`);
    return value;
  };

const list =
  (isGood: (item: string) => boolean, what: string): Parse<readonly string[]> =>
  (text) => {
    const items = text.split(',').map((item) => item.trim());
    const given = items.filter((item) => item !== '');
    if (!given.every(isGood)) throw new Error(`expected a comma-separated list of ${what}`);
    return given;
  };

const flag: Parse<boolean> = (text) =>
  matching((word) => ['true', 'false'].includes(word), 'true or false')(text) === 'true';
const url = matching(
  (text) => URL.canParse(text) && /^https?:/.test(text),
  'the URL of the service, such as https://vpn.example',
);
const location = matching(
  (text) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text),
  'the id of a location, such as de-frankfurt',
);
const path = matching((text) => text.startsWith('/'), 'an absolute path');
/** As the kernel takes it, and as nothing else than itself in a firewall rule. */
const deviceName = matching(
  (text) => /^[A-Za-z0-9][\w.-]{0,14}$/.test(text),
  'the name of a network interface: up to 15 letters and digits',
);
const address = (family: 4 | 6) =>
  matching((text) => isIP(text) === family && !text.includes('%'), `an IPv${family} address`);

/** By hand: a library for this would take a fifth of the memory that an agent may use. */
const settings = {
  BACKEND_URL: needed(url),
  ALLOW_HTTP: optional(flag, false),
  ENROLMENT_TOKEN: optional((text) => text, undefined),
  LOCATION_ID: needed(location),
  PUBLIC_IP: needed(address(4)),
  PUBLIC_IP_V6: optional(address(6), undefined),
  PORT: optional(whole(1, 65_535), 51_820),
  CAPACITY: optional(whole(1, 60_000), 1_000),
  INTERFACE: optional(deviceName, 'vpn0'),
  UPLINK: needed(deviceName),
  LINK_MBIT: optional(whole(1, 1_000_000), 1_000),
  BLOCKED_NETWORKS: optional(list(isNetwork, 'networks, such as 203.0.113.0/24'), []),
  DNS_ADS: optional(path, undefined),
  DNS_TRACKERS_MALWARE: optional(path, undefined),
  DNS_FORWARD_TO: optional(
    list((item) => isIP(item) !== 0, 'addresses'),
    [],
  ),
  DRAIN_S: optional(whole(0, 86_400), 60),
  STATE_DIR: optional(path, '/var/lib/vpn-node-agent'),
  RUNTIME_DIR: optional(path, '/run/vpn-node-agent'),
};

type Name = keyof typeof settings;

type Settings = {
  readonly [K in Name]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

export interface NodeConfig extends Settings {
  readonly privateKeyFile: string;
  readonly credentialFile: string;
  readonly statusSocket: string;
}

/** Every wrong setting at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`The configuration is wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

/**
 * @param file lines of KEY=value; undefined: there is none
 * @throws {ConfigError}
 */
export function parseConfig(file: string | undefined, environment: NodeJS.ProcessEnv): NodeConfig {
  const fromFile = file === undefined ? {} : parseEnv(file);
  const problems = Object.keys(fromFile)
    .filter((key) => !key.startsWith(prefix))
    .map((key) => `${key}: unknown; every setting begins with ${prefix}`);
  const given = new Map<string, string>();
  for (const [key, value] of [...Object.entries(fromFile), ...Object.entries(environment)]) {
    // Empty is how an environment file says "not set".
    if (key.startsWith(prefix) && value !== undefined && value !== '') given.set(key.slice(prefix.length), value);
  }
  for (const name of given.keys()) if (!Object.hasOwn(settings, name)) problems.push(`${prefix}${name}: unknown`);
  const data = read(given, problems);
  if (!data.ALLOW_HTTP && /^http:/.test(data.BACKEND_URL)) {
    problems.push(
      `${prefix}BACKEND_URL: expected https: the credential and every preshared key travel there (${prefix}ALLOW_HTTP=true for tests)`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    ...data,
    privateKeyFile: join(data.STATE_DIR, 'private.key'),
    credentialFile: join(data.STATE_DIR, 'credential.json'),
    statusSocket: join(data.RUNTIME_DIR, 'status.sock'),
  };
}

/** @throws {ConfigError} */
export function readConfig(path: string, environment: NodeJS.ProcessEnv): NodeConfig {
  let text: string | undefined;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    // Everything may come from the environment.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new ConfigError([`${path} cannot be read`]);
  }
  return parseConfig(text, environment);
}

/** What is wrong is added to `problems`; the settings are whole only when nothing was. */
function read(given: ReadonlyMap<string, string>, problems: string[]): Settings {
  const values: Record<string, unknown> = {};
  for (const [name, { parse, absent }] of Object.entries<Setting<unknown>>(settings)) {
    const text = given.get(name);
    try {
      if (text === undefined && absent === undefined) throw new Error('needed, and not set');
      values[name] = text === undefined ? absent?.value : parse(text);
    } catch (error) {
      problems.push(`${prefix}${name}: ${(error as Error).message}`);
    }
  }
  return values as unknown as Settings;
}
