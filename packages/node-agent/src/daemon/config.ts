import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { isNetwork } from '../host/networks.js';

/** Every setting's name begins so, in the file and in the environment, which wins. */
const prefix = 'VPN_NODE_';

export const defaultConfigFile = '/etc/vpn-node-agent/node.env';

const whole = (least: number, most: number) =>
  z.coerce
    .number({ error: `expected a whole number from ${least} to ${most}` })
    .int({ error: `expected a whole number from ${least} to ${most}` })
    .min(least, { error: `expected at least ${least}` })
    .max(most, { error: `expected at most ${most}` });

/** As the kernel takes it, and as nothing else than itself in a firewall rule. */
const deviceName = z.string().regex(/^[A-Za-z0-9][\w.-]{0,14}$/, {
  error: 'expected the name of a network interface: up to 15 letters and digits',
});

const address = (family: 4 | 6) =>
  z
    .string()
    .refine((text) => isIP(text) === family && !text.includes('%'), { error: `expected an IPv${family} address` });

const list = (what: string, check: (item: string) => boolean) =>
  z
    .string()
    .transform((text) => text.split(',').map((item) => item.trim()))
    .transform((items) => items.filter((item) => item !== ''))
    .refine((items) => items.every(check), { error: `expected a comma-separated list of ${what}` });

const path = z.string().startsWith('/', { error: 'expected an absolute path' });

const flag = z.enum(['true', 'false'], { error: 'expected true or false' }).transform((text) => text === 'true');

const settings = z.strictObject({
  BACKEND_URL: z.url({ protocol: /^https?$/, error: 'expected the URL of the service, such as https://vpn.example' }),
  ALLOW_HTTP: flag.default(false),
  ENROLMENT_TOKEN: z.string().min(1).optional(),
  LOCATION_ID: z
    .string({ error: 'expected the id of a location' })
    .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, { error: 'expected the id of a location, such as de-frankfurt' }),
  PUBLIC_IP: address(4),
  PUBLIC_IP_V6: address(6).optional(),
  PORT: whole(1, 65_535).default(51_820),
  CAPACITY: whole(1, 60_000).default(1_000),
  INTERFACE: deviceName.default('vpn0'),
  UPLINK: deviceName,
  LINK_MBIT: whole(1, 1_000_000).default(1_000),
  BLOCKED_NETWORKS: list('networks, such as 203.0.113.0/24', isNetwork).default([]),
  DNS_ADS: path.optional(),
  DNS_TRACKERS_MALWARE: path.optional(),
  DNS_FORWARD_TO: list('addresses', (item) => isIP(item) !== 0).default([]),
  DRAIN_S: whole(0, 86_400).default(60),
  STATE_DIR: path.default('/var/lib/vpn-node-agent'),
  RUNTIME_DIR: path.default('/run/vpn-node-agent'),
});

const checked = settings.refine(({ BACKEND_URL, ALLOW_HTTP }) => ALLOW_HTTP || !/^http:/.test(BACKEND_URL), {
  path: ['BACKEND_URL'],
  error: 'expected https: the credential and every preshared key travel there (VPN_NODE_ALLOW_HTTP=true for tests)',
  // Also when other settings are wrong: all that is wrong is named at once.
  when: () => true,
});

export type Settings = z.output<typeof settings>;

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
  const foreign = Object.keys(fromFile).filter((key) => !key.startsWith(prefix));
  const given: Record<string, string | undefined> = {};
  for (const [key, value] of [...Object.entries(fromFile), ...Object.entries(environment)]) {
    // Empty is how an environment file says "not set".
    if (key.startsWith(prefix) && value !== '') given[key.slice(prefix.length)] = value;
  }
  const { success, data, error } = checked.safeParse(given);
  const problems = [
    ...foreign.map((key) => `${key}: unknown; every setting begins with ${prefix}`),
    ...(error?.issues ?? []).flatMap(describe),
  ];
  if (!success || problems.length > 0) throw new ConfigError(problems);
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

function describe(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${prefix}${key}: unknown`);
  return [
    `${prefix}${issue.path.join('.')}: ${issue.input === undefined ? `${issue.message}, and it is not set` : issue.message}`,
  ];
}
