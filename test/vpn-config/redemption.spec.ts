import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { parseWireguardConf } from '@vpn-backend/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  type AgentNode,
  type Answer,
  redeemAt,
  type RedemptionRequest,
  startAnonymizer,
  type TestAnonymizer,
} from '../support/anonymizer.js';
import { wireguardKey } from '../support/fleet.js';

let anonymizer: TestAnonymizer;
let frankfurt: AgentNode;
let request: RedemptionRequest;

beforeAll(async () => {
  anonymizer = await startAnonymizer();
  await anonymizer.addLocation('se-stockholm');
  frankfurt = await anonymizer.addNode({ ip: '203.0.113.7', ip_v6: '2001:db8::7', port: 443 });
  await anonymizer.addNode({ location_id: 'se-stockholm' });
});

beforeEach(async () => {
  request = await anonymizer.request();
});

afterAll(() => anonymizer.stop());

const reused = { status: 409, code: 'token_reused' };
const withoutKey = ({ token, signature, location }: RedemptionRequest) => ({ token, signature, location });

/** The members of the response that describe the connection. */
function members({ headers: _, ...answer }: Answer): Omit<Answer, 'headers'> {
  return answer;
}

describe('redeeming a valid token', () => {
  it('makes a connection that its node installs, that has a status and that can be ended', async () => {
    const answer = await anonymizer.connect(request);
    expect(answer).toMatchObject({ status: 200, server_public_key: frankfurt.publicKey, location: 'de-frankfurt' });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await frankfurt.driver.list()).toContainEqual({
      publicKey: request.public_key,
      presharedKey: answer.preshared_key,
      allowedIps: answer.addresses,
    });
    const secret = answer.connection_secret ?? '';
    expect(await anonymizer.status(secret)).toMatchObject({ http: 200, status: 'active', location: 'de-frankfurt' });
    expect(await anonymizer.disconnect(secret)).toBe(204);
    await expect.poll(() => frankfurt.driver.list()).toEqual([]);
  });

  it('returns the configuration as data and as text with the same values', async () => {
    const answer = await anonymizer.connect(request);
    const text = answer.wireguard_conf ?? '';
    expect(parseWireguardConf(text)).toEqual({
      interface: { addresses: answer.addresses, dns: answer.dns, mtu: answer.mtu },
      peer: {
        publicKey: answer.server_public_key,
        presharedKey: answer.preshared_key,
        endpoint: answer.endpoint,
        allowedIps: answer.allowed_ips,
        persistentKeepalive: answer.persistent_keepalive,
      },
    });
    expect(members(answer)).toMatchObject({ endpoint: '203.0.113.7:443', endpoint_v6: '[2001:db8::7]:443' });
    expect(answer).not.toHaveProperty('private_key');
    expect(answer.public_key).toBe(request.public_key);
  });

  it('makes a connection that lasts at least 24 hours, up to a full hour', async () => {
    const { expires_at = '' } = await anonymizer.connect(request);
    const left = new Date(expires_at).getTime() - anonymizer.clock.now().getTime();
    expect(left).toBeGreaterThanOrEqual(24 * 3_600_000);
    expect(left).toBeLessThan(25 * 3_600_000);
    expect(expires_at).toMatch(/T\d\d:00:00\.000Z$/);
  });

  it.each([
    ['none', '10.64.0.2'],
    ['ads', '10.64.0.3'],
    ['ads_trackers_malware', '10.64.0.4'],
  ])('uses, with dns_blocking %s, the resolver %s', async (dns_blocking, resolver) => {
    const answer = await anonymizer.connect({ ...request, dns_blocking });
    expect(answer.dns?.[0]).toBe(resolver);
    expect(answer.wireguard_conf).toContain(`DNS = ${resolver}, `);
  });

  it('sets a mark under the token’s hash that expires an hour after the key, whenever the token is spent', async () => {
    const { verifyUntil } = anonymizer.issuer.signingKey();
    const expectedEnd = verifyUntil.getTime() / 1000 + 3_600;
    for (const laterMs of [0, 5_000]) {
      anonymizer.clock.advance(laterMs);
      const spent = await anonymizer.request();
      expect((await anonymizer.connect(spent)).status).toBe(200);
      const token = Buffer.from(spent.token, 'base64url');
      const name = `spent:${createHash('sha256').update(token).digest('hex')}`;
      expect(await anonymizer.redis.expiretime(name)).toBe(expectedEnd);
      const fingerprint = createHash('sha256').update(token).update(Buffer.from(spent.public_key, 'base64'));
      expect(await anonymizer.redis.get(name)).toBe(fingerprint.digest('base64url'));
    }
  });
});

describe('a retry by the same client', () => {
  it('gets exactly the same connection', async () => {
    const first = await anonymizer.connect(request);
    const again = await anonymizer.connect(request);
    expect(members(again)).toEqual(members(first));
    expect(first.status).toBe(200);
  });

  it('keeps the resolver of the first request', async () => {
    const first = await anonymizer.connect({ ...request, dns_blocking: 'ads' });
    expect(members(await anonymizer.connect({ ...request, dns_blocking: 'none' }))).toEqual(members(first));
  });

  it('gets 409 for another location, and its connection stays', async () => {
    const first = await anonymizer.connect(request);
    const elsewhere = await anonymizer.connect({ ...request, location: 'se-stockholm' });
    expect(elsewhere).toMatchObject({ status: 409, code: 'location_changed' });
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
  });

  it('gets 404 for an unknown location, and its connection stays', async () => {
    const first = await anonymizer.connect(request);
    const nowhere = await anonymizer.redeem({ ...request, location: 'atlantis' });
    expect(nowhere).toMatchObject({ status: 404, code: 'unknown_location' });
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
  });

  it('gets 503 where the server key of its secrets is not configured, and its connection stays', async () => {
    const first = await anonymizer.connect(request);
    const rekeyed = await anonymizer.addReplica({ NETWORK_SECRET_KEY: Buffer.alloc(32, 9).toString('base64') });
    expect(await redeemAt(rekeyed.url, request)).toMatchObject({ status: 503, code: 'unavailable' });
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
  });

  it('gets 409 after it has disconnected, both before and after the node has removed the peer', async () => {
    const { connection_secret = '', connection_id } = await anonymizer.connect(request);
    await anonymizer.disconnect(connection_secret);
    expect(await anonymizer.connect(request)).toMatchObject(reused);
    const status = async () => (await anonymizer.rows()).find(({ id }) => id === connection_id)?.status;
    await expect.poll(status).toBe('ended');
    expect(await anonymizer.connect(request)).toMatchObject(reused);
    // No refusal has removed the mark of a spent token.
    expect(await marked(request)).toBe(true);
  });
});

describe('another client with the same token', () => {
  it('is refused with another key and without a key, at every location', async () => {
    const first = await anonymizer.connect(request);
    for (const location of ['de-frankfurt', 'se-stockholm']) {
      expect(await anonymizer.connect({ ...request, location, public_key: wireguardKey() })).toMatchObject(reused);
      expect(await anonymizer.connect({ ...withoutKey(request), location })).toMatchObject(reused);
    }
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
    expect(await marked(request)).toBe(true);
  });
});

describe('redeeming without a public_key', () => {
  it('returns a generated key pair, and does not store the private key', async () => {
    const answer = await anonymizer.connect(withoutKey(request));
    const { private_key = '', public_key = '' } = answer;
    expect(parseWireguardConf(answer.wireguard_conf ?? '').interface.privateKey).toBe(private_key);
    const jwk = (bytes: string) => Buffer.from(bytes, 'base64').toString('base64url');
    const pair = { kty: 'OKP', crv: 'X25519', d: jwk(private_key), x: jwk(public_key) };
    const derived = createPublicKey(createPrivateKey({ key: pair, format: 'jwk' })).export({ format: 'jwk' });
    expect(derived.x).toBe(pair.x);
    const stored = JSON.stringify(await anonymizer.rows()) + JSON.stringify(await frankfurt.driver.list());
    expect(stored).not.toContain(Buffer.from(private_key, 'base64').toString('hex'));
    expect(stored).not.toContain(private_key);
  });

  it('answers a retry with 409, because it could be a theft', async () => {
    expect((await anonymizer.connect(withoutKey(request))).status).toBe(200);
    expect(await anonymizer.connect(withoutKey(request))).toMatchObject(reused);
  });
});

describe('redeeming with a public_key that another connection uses', () => {
  it('is refused, and the token can be spent with a new key', async () => {
    const other = await anonymizer.request();
    await anonymizer.connect(other);
    const clash = await anonymizer.connect({ ...request, public_key: other.public_key });
    expect(clash).toMatchObject({ status: 409, code: 'public_key_in_use' });
    expect(await marked(request)).toBe(false);
    expect((await anonymizer.connect(request)).status).toBe(200);
  });

  it('is refused as token_reused when the token is spent already', async () => {
    const other = await anonymizer.request();
    await Promise.all([anonymizer.connect(other), anonymizer.connect(request)]);
    expect(await anonymizer.connect({ ...request, public_key: other.public_key })).toMatchObject(reused);
  });
});

async function marked(token: RedemptionRequest): Promise<boolean> {
  return (await anonymizer.traces(token)).mark !== undefined;
}
