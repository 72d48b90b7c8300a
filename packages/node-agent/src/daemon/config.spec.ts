import { describe, expect, it } from 'vitest';
import { ConfigError, parseConfig, readConfig } from './config.js';

const required = {
  VPN_NODE_BACKEND_URL: 'https://vpn.example',
  VPN_NODE_LOCATION_ID: 'de-frankfurt',
  VPN_NODE_PUBLIC_IP: '203.0.113.7',
  VPN_NODE_UPLINK: 'eth0',
};

const problemsOf = (file: string | undefined, environment: NodeJS.ProcessEnv = {}) => {
  try {
    parseConfig(file, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('this configuration was accepted');
};

describe('parseConfig', () => {
  it('requires four settings and has defaults for the rest', () => {
    expect(parseConfig(undefined, required)).toMatchObject({
      PORT: 51_820,
      CAPACITY: 1_000,
      INTERFACE: 'vpn0',
      LINK_MBIT: 1_000,
      DRAIN_S: 60,
      BLOCKED_NETWORKS: [],
      privateKeyFile: '/var/lib/vpn-node-agent/private.key',
      credentialFile: '/var/lib/vpn-node-agent/credential.json',
      statusSocket: '/run/vpn-node-agent/status.sock',
    });
  });

  it('reads a file, which the environment overrides', () => {
    const file = Object.entries({ ...required, VPN_NODE_PORT: '443' })
      .map(([key, value]) => `${key}=${value}`)
      .join('\n');
    expect(
      parseConfig(`# a node\n${file}\n`, { VPN_NODE_CAPACITY: '5000', VPN_NODE_PORT: '', PATH: '/bin' }),
    ).toMatchObject({
      PORT: 443,
      CAPACITY: 5_000,
    });
  });

  it('names all invalid settings at once', () => {
    const problems = problemsOf('VPN_NODE_PROT=443\nCAPACITY=5\n', {
      ...required,
      VPN_NODE_BACKEND_URL: 'http://vpn.example',
      VPN_NODE_PUBLIC_IP: 'vpn.example',
      VPN_NODE_CAPACITY: '60001',
      VPN_NODE_LINK_MBIT: 'fast',
      VPN_NODE_INTERFACE: 'vpn0" accept #',
      VPN_NODE_BLOCKED_NETWORKS: '203.0.113.0/24, 10.0.0.0',
      VPN_NODE_DNS_ADS: 'lists/ads',
    });
    const named = problems.map((problem) => problem.split(':')[0]);
    expect(named.toSorted()).toEqual([
      'CAPACITY',
      'VPN_NODE_BACKEND_URL',
      'VPN_NODE_BLOCKED_NETWORKS',
      'VPN_NODE_CAPACITY',
      'VPN_NODE_DNS_ADS',
      'VPN_NODE_INTERFACE',
      'VPN_NODE_LINK_MBIT',
      'VPN_NODE_PROT',
      'VPN_NODE_PUBLIC_IP',
    ]);
  });

  it('names all missing settings', () => {
    expect(problemsOf(undefined)).toEqual([
      expect.stringContaining('VPN_NODE_BACKEND_URL') as string,
      expect.stringContaining('VPN_NODE_LOCATION_ID') as string,
      expect.stringContaining('VPN_NODE_PUBLIC_IP') as string,
      expect.stringContaining('VPN_NODE_UPLINK') as string,
    ]);
  });

  it('refuses a backend without TLS, unless ALLOW_HTTP is set', () => {
    const environment = { ...required, VPN_NODE_BACKEND_URL: 'http://127.0.0.1:3000' };
    expect(problemsOf(undefined, environment)).toEqual([expect.stringContaining('expected https') as string]);
    expect(parseConfig(undefined, { ...environment, VPN_NODE_ALLOW_HTTP: 'true' }).ALLOW_HTTP).toBe(true);
  });
});

describe('readConfig', () => {
  it('accepts a missing file, but not an unreadable one', () => {
    expect(readConfig('/nowhere/node.env', required).UPLINK).toBe('eth0');
    expect(() => readConfig('/', required)).toThrow('cannot be read');
  });
});
