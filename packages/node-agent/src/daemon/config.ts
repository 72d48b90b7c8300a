import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { isNetwork } from '../host/networks.js';

/** Every setting's name begins with this, in the file and in the environment. The environment overrides the file. */
const prefix = 'VPN_NODE_';

export const defaultConfigFile = '/etc/vpn-node-agent/node.env';

/** Parses the text of a setting. @throws {Error} that says what was expected */
type Parse<T> = (text: string) => T;

interface Setting<T> {
  readonly parse: Parse<T>;
  /** The default value. A setting without one is required. */
  readonly fallback?: { readonly value: T };
}

const required = <T>(parse: Parse<T>): Setting<T> => ({ parse });
const optional = <T, D>(parse: Parse<T>, value: D): Setting<T | D> => ({ parse, fallback: { value } });

const matching =
  (isValid: (text: string) => boolean, expected: string): Parse<string> =>
  (text) => {
    if (!isValid(text)) throw new Error(`expected ${expected}`);
    return text;
  };

const wholeNumber =
  (min: number, max: number): Parse<number> =>
  (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new Error(`expected a whole number from ${min} to ${max}`);
    return value;
  };

const list =
  (isValid: (item: string) => boolean, what: string): Parse<readonly string[]> =>
  (text) => {
    const items = text.split(',').map((item) => item.trim());
    const values = items.filter((item) => item !== '');
    if (!values.every(isValid)) throw new Error(`expected a comma-separated list of ${what}`);
    return values;
  };

const flag: Parse<boolean> = (text) =>
  matching((value) => ['true', 'false'].includes(value), 'true or false')(text) === 'true';
const url = matching(
  (text) => URL.canParse(text) && /^https?:/.test(text),
  'the URL of the service, such as https://vpn.example',
);
const location = matching(
  (text) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text),
  'the id of a location, such as de-frankfurt',
);
const path = matching((text) => text.startsWith('/'), 'an absolute path');
/** A name that the kernel accepts and that needs no escaping in a firewall rule. */
const deviceName = matching(
  (text) => /^[A-Za-z0-9][\w.-]{0,14}$/.test(text),
  'the name of a network interface: up to 15 letters and digits',
);
const address = (family: 4 | 6) =>
  matching((text) => isIP(text) === family && !text.includes('%'), `an IPv${family} address`);

/** Written by hand, because a validation library would take a fifth of the memory that an agent may use. */
const settings = {
  BACKEND_URL: required(url),
  ALLOW_HTTP: optional(flag, false),
  ENROLMENT_TOKEN: optional((text) => text, undefined),
  LOCATION_ID: required(location),
  PUBLIC_IP: required(address(4)),
  PUBLIC_IP_V6: optional(address(6), undefined),
  PORT: optional(wholeNumber(1, 65_535), 51_820),
  CAPACITY: optional(wholeNumber(1, 60_000), 1_000),
  INTERFACE: optional(deviceName, 'vpn0'),
  UPLINK: required(deviceName),
  LINK_MBIT: optional(wholeNumber(1, 1_000_000), 1_000),
  BLOCKED_NETWORKS: optional(list(isNetwork, 'networks, such as 203.0.113.0/24'), []),
  DNS_ADS: optional(path, undefined),
  DNS_TRACKERS_MALWARE: optional(path, undefined),
  DNS_FORWARD_TO: optional(
    list((item) => isIP(item) !== 0, 'addresses'),
    [],
  ),
  DRAIN_S: optional(wholeNumber(0, 86_400), 60),
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

/** Lists all invalid settings at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`Invalid configuration:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

/**
 * @param file lines of KEY=value; undefined when there is no file
 * @throws {ConfigError}
 */
export function parseConfig(file: string | undefined, environment: NodeJS.ProcessEnv): NodeConfig {
  const fromFile = file === undefined ? {} : parseEnv(file);
  const problems = Object.keys(fromFile)
    .filter((key) => !key.startsWith(prefix))
    .map((key) => `${key}: unknown setting; every setting begins with ${prefix}`);
  const texts = new Map<string, string>();
  for (const [key, value] of [...Object.entries(fromFile), ...Object.entries(environment)]) {
    // An empty value in an environment file means "not set".
    if (key.startsWith(prefix) && value !== undefined && value !== '') texts.set(key.slice(prefix.length), value);
  }
  for (const name of texts.keys()) {
    if (!Object.hasOwn(settings, name)) problems.push(`${prefix}${name}: unknown setting`);
  }
  const data = read(texts, problems);
  if (!data.ALLOW_HTTP && /^http:/.test(data.BACKEND_URL)) {
    problems.push(
      `${prefix}BACKEND_URL: expected https, because the credential and all preshared keys are sent there. For tests, ${prefix}ALLOW_HTTP=true allows http.`,
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
    // Without a file, all settings may come from the environment.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new ConfigError([`${path} cannot be read`]);
  }
  return parseConfig(text, environment);
}

/** Adds what is invalid to `problems`. The result is complete only when it adds nothing. */
function read(texts: ReadonlyMap<string, string>, problems: string[]): Settings {
  const values: Record<string, unknown> = {};
  for (const [name, { parse, fallback }] of Object.entries<Setting<unknown>>(settings)) {
    const text = texts.get(name);
    try {
      if (text === undefined && fallback === undefined) throw new Error('required, but not set');
      values[name] = text === undefined ? fallback?.value : parse(text);
    } catch (error) {
      problems.push(`${prefix}${name}: ${(error as Error).message}`);
    }
  }
  return values as unknown as Settings;
}
