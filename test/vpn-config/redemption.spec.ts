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

/** What belongs to the connection rather than to the answer. */
function members({ headers: _, ...answer }: Answer): Omit<Answer, 'headers'> {
  return answer;
}

describe('a good token', () => {
  it('becomes a connection that its node has, that shows its status, and that ends', async () => {
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

  it('is answered as data and as text, and they say the same', async () => {
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

  it('lasts at least 24 hours, to a whole hour', async () => {
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
  ])('with dns_blocking %s uses the resolver %s', async (dns_blocking, resolver) => {
    const answer = await anonymizer.connect({ ...request, dns_blocking });
    expect(answer.dns?.[0]).toBe(resolver);
    expect(answer.wireguard_conf).toContain(`DNS = ${resolver}, `);
  });

  it('is marked under its hash, to the end of its key and an hour, whenever it is spent', async () => {
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

describe('the same client again', () => {
  it('gets the same connection, to the letter', async () => {
    const first = await anonymizer.connect(request);
    const again = await anonymizer.connect(request);
    expect(members(again)).toEqual(members(first));
    expect(first.status).toBe(200);
  });

  it('keeps the resolver it first asked for', async () => {
    const first = await anonymizer.connect({ ...request, dns_blocking: 'ads' });
    expect(members(await anonymizer.connect({ ...request, dns_blocking: 'none' }))).toEqual(members(first));
  });

  it('at another location: 409, and its connection stays', async () => {
    const first = await anonymizer.connect(request);
    const elsewhere = await anonymizer.connect({ ...request, location: 'se-stockholm' });
    expect(elsewhere).toMatchObject({ status: 409, code: 'location_changed' });
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
  });

  it('at a location that is not there: 404, and its connection stays', async () => {
    const first = await anonymizer.connect(request);
    const nowhere = await anonymizer.redeem({ ...request, location: 'atlantis' });
    expect(nowhere).toMatchObject({ status: 404, code: 'unknown_location' });
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
  });

  it('where the key of its secrets is not configured: 503, and its connection stays', async () => {
    const first = await anonymizer.connect(request);
    const rekeyed = await anonymizer.addReplica({ NETWORK_SECRET_KEY: Buffer.alloc(32, 9).toString('base64') });
    expect(await redeemAt(rekeyed.url, request)).toMatchObject({ status: 503, code: 'unavailable' });
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
  });

  it('after it has disconnected: 409, while the node drops the peer and afterwards', async () => {
    const { connection_secret = '', connection_id } = await anonymizer.connect(request);
    await anonymizer.disconnect(connection_secret);
    expect(await anonymizer.connect(request)).toMatchObject(reused);
    const status = async () => (await anonymizer.rows()).find(({ id }) => id === connection_id)?.status;
    await expect.poll(status).toBe('ended');
    expect(await anonymizer.connect(request)).toMatchObject(reused);
    // No refusal has taken the mark of a token that is spent.
    expect(await marked(request)).toBe(true);
  });
});

describe('anybody else with the token', () => {
  it('is refused, with another key, without one, and everywhere', async () => {
    const first = await anonymizer.connect(request);
    for (const location of ['de-frankfurt', 'se-stockholm']) {
      expect(await anonymizer.connect({ ...request, location, public_key: wireguardKey() })).toMatchObject(reused);
      expect(await anonymizer.connect({ ...withoutKey(request), location })).toMatchObject(reused);
    }
    expect(members(await anonymizer.connect(request))).toEqual(members(first));
    expect(await marked(request)).toBe(true);
  });
});

describe('without a public_key', () => {
  it('the server makes the pair, tells it once, and keeps no private half', async () => {
    const answer = await anonymizer.connect(withoutKey(request));
    const { private_key = '', public_key = '' } = answer;
    expect(parseWireguardConf(answer.wireguard_conf ?? '').interface.privateKey).toBe(private_key);
    const jwk = (bytes: string) => Buffer.from(bytes, 'base64').toString('base64url');
    const pair = { kty: 'OKP', crv: 'X25519', d: jwk(private_key), x: jwk(public_key) };
    const derived = createPublicKey(createPrivateKey({ key: pair, format: 'jwk' })).export({ format: 'jwk' });
    expect(derived.x).toBe(pair.x);
    const kept = JSON.stringify(await anonymizer.rows()) + JSON.stringify(await frankfurt.driver.list());
    expect(kept).not.toContain(Buffer.from(private_key, 'base64').toString('hex'));
    expect(kept).not.toContain(private_key);
  });

  it('a retry cannot be told from a thief: 409', async () => {
    expect((await anonymizer.connect(withoutKey(request))).status).toBe(200);
    expect(await anonymizer.connect(withoutKey(request))).toMatchObject(reused);
  });
});

describe('a public_key that another connection uses', () => {
  it('is refused, and the token can be spent with a fresh one', async () => {
    const other = await anonymizer.request();
    await anonymizer.connect(other);
    const clash = await anonymizer.connect({ ...request, public_key: other.public_key });
    expect(clash).toMatchObject({ status: 409, code: 'public_key_in_use' });
    expect(await marked(request)).toBe(false);
    expect((await anonymizer.connect(request)).status).toBe(200);
  });

  it('is called so only while the token is not spent', async () => {
    const other = await anonymizer.request();
    await Promise.all([anonymizer.connect(other), anonymizer.connect(request)]);
    expect(await anonymizer.connect({ ...request, public_key: other.public_key })).toMatchObject(reused);
  });
});

async function marked(token: RedemptionRequest): Promise<boolean> {
  return (await anonymizer.traces(token)).mark !== undefined;
}
