import { fromBase64url, toBase64 } from './bytes.js';

/** Each key: 32 bytes as standard base64, 44 characters. */
export interface WireguardKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/**
 * A new X25519 key pair, as `wg genkey` makes it.
 *
 * @throws {DOMException | Error} WebCrypto has no X25519, as in browsers before 2025 and on pages without a secure origin
 */
export async function generateWireguardKeyPair(): Promise<WireguardKeyPair> {
  const generated: unknown = await crypto.subtle.generateKey({ name: 'X25519' }, true, ['deriveBits']);
  // In TypeScript's types, only RSA and the NIST curves give key pairs.
  const pair = generated as { readonly privateKey: CryptoKey };
  const { d, x } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  const privateKey = fromBase64url(d ?? '', 32);
  const publicKey = fromBase64url(x ?? '', 32);
  if (privateKey === undefined || publicKey === undefined) throw new Error('This platform does not support X25519.');
  // Clamped (RFC 7748 §5), so that `wg` shows the private key in the same form. The public key does not change.
  privateKey[0] = (privateKey[0] ?? 0) & 248;
  privateKey[31] = ((privateKey[31] ?? 0) & 127) | 64;
  return { privateKey: toBase64(privateKey), publicKey: toBase64(publicKey) };
}

export interface WireguardConf {
  readonly interface: {
    /** Absent until `insertPrivateKey` adds it. */
    readonly privateKey?: string;
    readonly addresses: readonly string[];
    readonly dns: readonly string[];
    readonly mtu?: number;
  };
  readonly peer: {
    readonly publicKey: string;
    readonly presharedKey?: string;
    /** `host:port`, an IPv6 host in brackets. */
    readonly endpoint: string;
    readonly allowedIps: readonly string[];
    readonly persistentKeepalive?: number;
  };
}

/** The text is not a valid configuration, or has settings that a client does not need. */
export class WireguardConfError extends Error {
  override readonly name = 'WireguardConfError';
}

const address = /^[0-9a-fA-F.:]+$/;
const network = /^[0-9a-fA-F.:]+\/\d{1,3}$/;
const endpoint = /^(\[[0-9a-fA-F:]+\]|[0-9A-Za-z.-]+):\d{1,5}$/;
const key = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/;
const number = /^\d{1,5}$/;

/** The allowed settings of each section, in lower case. Every value is a comma-separated list of texts that match. */
const allowed: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  interface: { privatekey: key, address: network, dns: address, mtu: number },
  peer: { publickey: key, presharedkey: key, endpoint, allowedips: network, persistentkeepalive: number },
};

/**
 * Parses wg-quick text with one [Interface] and one [Peer]. wg-quick runs `PostUp` and similar settings as root, so a
 * configuration with any setting that a client does not need is refused.
 *
 * @throws {WireguardConfError} names the line, never its value
 */
export function parseWireguardConf(text: string): WireguardConf {
  const sections = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  let rules: Readonly<Record<string, RegExp>> = {};
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/#.*$/, '').trim();
    if (line === '') continue;
    const refuse = (reason: string) => new WireguardConfError(`line ${index + 1}: ${reason}`);
    const heading = /^\[(\w+)\]$/.exec(line)?.[1]?.toLowerCase();
    if (heading !== undefined) {
      if (sections.has(heading) || !Object.hasOwn(allowed, heading)) throw refuse('unexpected section');
      section = new Map();
      rules = allowed[heading] ?? {};
      sections.set(heading, section);
      continue;
    }
    const [, name = '', value = ''] = /^(\w+)\s*=\s*(.+)$/.exec(line) ?? [];
    const lowerName = name.toLowerCase();
    const rule = Object.hasOwn(rules, lowerName) ? rules[lowerName] : undefined;
    if (section === undefined || rule === undefined) throw refuse('unexpected setting');
    const values = value.split(',').map((part) => part.trim());
    if (!values.every((part) => rule.test(part))) throw refuse(`unexpected value of ${name}`);
    section.set(lowerName, [...(section.get(lowerName) ?? []), ...values]);
  }
  return read(sections);
}

/**
 * Inserts the client's private key into the configuration that was made for its public key.
 *
 * @param privateKey standard base64, 44 characters
 * @throws {WireguardConfError}
 */
export function insertPrivateKey(text: string, privateKey: string): string {
  if (!key.test(privateKey)) throw new WireguardConfError('the private key must be 44 characters of base64');
  if (parseWireguardConf(text).interface.privateKey !== undefined) {
    throw new WireguardConfError('the configuration already has a private key');
  }
  return text.replace(/^[ \t]*\[interface\].*$/im, (heading) => `${heading}\nPrivateKey = ${privateKey}`);
}

function read(sections: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>): WireguardConf {
  const list = (section: string, name: string) => sections.get(section)?.get(name) ?? [];
  const optional = (section: string, name: string) => {
    const values = list(section, name);
    if (values.length > 1) throw new WireguardConfError(`${name} has several values`);
    return values[0];
  };
  const required = (name: string) => {
    const value = optional('peer', name);
    if (value === undefined) throw new WireguardConfError(`${name} of [peer] is missing`);
    return value;
  };
  const addresses = list('interface', 'address');
  if (addresses.length === 0) throw new WireguardConfError('address of [interface] is missing');
  const [privateKey, mtu] = [optional('interface', 'privatekey'), optional('interface', 'mtu')];
  const [presharedKey, keepalive] = [optional('peer', 'presharedkey'), optional('peer', 'persistentkeepalive')];
  return {
    interface: {
      addresses,
      dns: list('interface', 'dns'),
      ...(privateKey === undefined ? {} : { privateKey }),
      ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
    },
    peer: {
      publicKey: required('publickey'),
      endpoint: required('endpoint'),
      allowedIps: list('peer', 'allowedips'),
      ...(presharedKey === undefined ? {} : { presharedKey }),
      ...(keepalive === undefined ? {} : { persistentKeepalive: Number(keepalive) }),
    },
  };
}
