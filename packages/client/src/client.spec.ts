import { beforeEach, describe, expect, it } from 'vitest';
import { TestIssuer } from '../test/issuer.js';
import { fromBase64url, toBase64url } from './bytes.js';
import { createClient } from './client.js';
import { PartitioningSuspected } from './errors.js';
import { buildTokenChallenge } from './token.js';

const gatekeeperUrl = 'https://gatekeeper.example';
const anonymizerUrl = 'https://anonymizer.example/api';
const idToken = 'the-id-token';
const now = 1_800_000_000;

const config = {
  wireguard_conf: '[Interface]',
  connection_id: '3f1c0f0e-7f5f-4a2b-9f0b-0c4a2b9f0b0c',
  connection_secret: 'secret',
  expires_at: '2027-01-16T08:00:00.000Z',
  location: 'de-frankfurt',
  endpoint: '192.0.2.1:51820',
  server_public_key: 'server',
  preshared_key: 'psk',
  public_key: 'mine',
  addresses: ['10.64.1.0/32'],
  dns: ['10.64.0.2'],
  allowed_ips: ['0.0.0.0/0'],
  mtu: 1420,
  persistent_keepalive: 25,
};

type Answer = Response | Error;

/** A `fetch` that acts as both sides: it records every request and answers by method and URL. */
class FakeService {
  readonly requests: { url: string; init: RequestInit; body: Record<string, unknown> }[] = [];
  readonly answers = new Map<string, (body: Record<string, unknown>) => Answer>();

  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const url = new Request(input).url;
    const body = typeof init.body === 'string' ? (JSON.parse(init.body) as Record<string, unknown>) : {};
    this.requests.push({ url, init, body });
    const answer = this.answers.get(`${init.method} ${url}`)?.(body) ?? problem(404, 'not_found');
    if (answer instanceof Error) throw answer;
    return answer;
  };

  to(prefix: string) {
    return this.requests.filter(({ url }) => url.startsWith(prefix));
  }
}

function problem(status: number, code: string, headers: Record<string, string> = {}) {
  return Response.json(
    { type: `urn:problem:${code}`, title: 'No', status, detail: 'Because.', code },
    { status, headers },
  );
}

let service: FakeService;
const issuer = new TestIssuer();
const signPath = `POST ${gatekeeperUrl}/auth/vpn-token`;
const redeemPath = `POST ${anonymizerUrl}/vpn/config`;

function client() {
  return createClient({
    gatekeeperUrl,
    anonymizerUrl,
    getIdToken: () => idToken,
    fetch: service.fetch,
    now: () => now * 1000,
  });
}

function directoryOf({ spki }: TestIssuer) {
  return Response.json({
    'token-challenge': toBase64url(buildTokenChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' })),
    'token-keys': [
      {
        'token-type': 2,
        'token-key': toBase64url(spki),
        'not-before': now - 60,
        'not-after': now + 3600,
        'verify-until': now + 90_000,
      },
    ],
  });
}

function signBlinded(text: unknown) {
  return toBase64url(issuer.sign(fromBase64url(String(text))!));
}

beforeEach(() => {
  service = new FakeService();
  for (const side of [gatekeeperUrl, anonymizerUrl]) {
    service.answers.set(`GET ${side}/.well-known/private-token-issuer-directory`, () => directoryOf(issuer));
  }
  service.answers.set(signPath, ({ blindedToken, blindedTokens }) =>
    Response.json(
      Array.isArray(blindedTokens)
        ? { signatures: blindedTokens.map(signBlinded) }
        : { signature: signBlinded(blindedToken) },
    ),
  );
  service.answers.set(redeemPath, () => Response.json(config));
});

describe('VpnClient.fetchTokens', () => {
  it('returns one token, which expires with its key', async () => {
    const [token, ...rest] = await client().fetchTokens();
    expect(rest).toEqual([]);
    expect(fromBase64url(token!.token)).toHaveLength(98);
    expect(fromBase64url(token!.signature)).toHaveLength(256);
    expect(token!.expiresAt).toBe(new Date((now + 90_000) * 1000).toISOString());
  });

  it('fetches a batch in one request', async () => {
    const tokens = await client().fetchTokens(5);
    expect(new Set(tokens.map(({ token }) => token)).size).toBe(5);
    expect(service.to(`${gatekeeperUrl}/auth`)).toHaveLength(1);
  });

  it.each([0, 33, 1.5])('refuses to fetch %s tokens', async (count) => {
    await expect(client().fetchTokens(count)).rejects.toThrow(RangeError);
    expect(service.requests).toEqual([]);
  });

  it('never sends a token to the issuer', async () => {
    const tokens = await client().fetchTokens(3);
    const sent = JSON.stringify(service.to(gatekeeperUrl).map(({ body }) => body));
    for (const { token, signature } of tokens) {
      expect(sent).not.toContain(token);
      expect(sent).not.toContain(signature);
    }
  });

  it('repeats a lost request with the same blinded tokens, so that they cost quota once', async () => {
    let calls = 0;
    const sign = service.answers.get(signPath)!;
    service.answers.set(signPath, (body) => {
      calls++;
      return calls === 1 ? new TypeError('fetch failed') : calls === 2 ? problem(503, 'unavailable') : sign(body);
    });
    await client().fetchTokens(2);
    const bodies = service.to(`${gatekeeperUrl}/auth`).map(({ body }) => JSON.stringify(body));
    expect(bodies).toHaveLength(3);
    expect(new Set(bodies).size).toBe(1);
  });

  it('returns no token when one signature of the batch is wrong', async () => {
    service.answers.set(signPath, ({ blindedTokens }) => {
      const signatures = (blindedTokens as string[]).map(signBlinded);
      return Response.json({ signatures: [signatures[0], signatures[0]] });
    });
    await expect(client().fetchTokens(2)).rejects.toMatchObject({ code: 'invalid_blind_signature' });
  });

  it.each([
    ['no signatures', {}],
    ['too few signatures', { signatures: ['A'.repeat(342)] }],
    ['short signatures', { signatures: ['AAAA', 'AAAA'] }],
    ['signatures that are not text', { signatures: [1, 2] }],
  ])('refuses an answer with %s', async (_, answer) => {
    service.answers.set(signPath, () => Response.json(answer));
    await expect(client().fetchTokens(2)).rejects.toMatchObject({ code: 'unexpected_answer' });
  });

  it('requests no signature when the two sides publish different keys', async () => {
    const other = new TestIssuer();
    const path = `GET ${gatekeeperUrl}/.well-known/private-token-issuer-directory`;
    service.answers.set(path, () => directoryOf(other));
    await expect(client().fetchTokens()).rejects.toThrow(PartitioningSuspected);
    expect(service.to(`${gatekeeperUrl}/auth`)).toEqual([]);
  });
});

describe('VpnClient.redeem', () => {
  it('sends the token, its signature and the options, and nothing else', async () => {
    const redeemed = await client().redeem({
      token: 't',
      signature: 's',
      location: 'de-frankfurt',
      publicKey: 'mine',
      dnsBlocking: 'ads',
    });
    expect(redeemed).toEqual(config);
    expect(service.requests[0]?.body).toEqual({
      token: 't',
      signature: 's',
      location: 'de-frankfurt',
      public_key: 'mine',
      dns_blocking: 'ads',
    });
  });

  it('refuses a configuration for another key, or with a missing member', async () => {
    await expect(
      client().redeem({ token: 't', signature: 's', location: 'x', publicKey: 'other' }),
    ).rejects.toMatchObject({ code: 'unexpected_answer' });
    service.answers.set(redeemPath, () => Response.json({ ...config, preshared_key: undefined }));
    await expect(client().redeem({ token: 't', signature: 's', location: 'x' })).rejects.toMatchObject({
      code: 'unexpected_answer',
    });
  });
});

describe('VpnClient transports', () => {
  it('send the ID token to the gatekeeper only, and only where it is needed', async () => {
    service.answers.set(`GET ${gatekeeperUrl}/subscription`, () =>
      Response.json({ active: true, state: 'TRIAL', reason: 'trial' }),
    );
    service.answers.set(`GET ${anonymizerUrl}/vpn/locations`, () => Response.json({ locations: [] }));
    service.answers.set(`DELETE ${anonymizerUrl}/vpn/connection`, () => new Response(null, { status: 204 }));
    const vpn = client();
    const [token] = await vpn.fetchTokens();
    await vpn.subscription();
    await vpn.locations();
    await vpn.redeem({ ...token!, location: 'de-frankfurt' });
    await vpn.disconnect(config.connection_secret);

    const shown = (request: unknown) => JSON.stringify(request).includes(idToken);
    expect(
      service
        .to(gatekeeperUrl)
        .filter(shown)
        .map(({ url }) => new URL(url).pathname),
    ).toEqual(['/auth/vpn-token', '/subscription']);
    expect(service.to(anonymizerUrl).some(shown)).toBe(false);
    const headers = service.to(anonymizerUrl).map(({ init }) => Object.keys(init.headers as object).toSorted());
    expect(new Set(headers.flat())).toEqual(new Set(['accept', 'authorization', 'content-type']));
    for (const { init } of service.requests) {
      expect(init).toMatchObject({ credentials: 'omit', referrerPolicy: 'no-referrer', redirect: 'error' });
    }
  });
});

describe('VpnApiError', () => {
  it('has the status, code, detail and delay of the problem', async () => {
    service.answers.set(redeemPath, () => problem(503, 'no_capacity', { 'retry-after': '7' }));
    await expect(client().redeem({ token: 't', signature: 's', location: 'x' })).rejects.toMatchObject({
      name: 'VpnApiError',
      status: 503,
      code: 'no_capacity',
      detail: 'Because.',
      retryAfter: 7,
    });
  });

  it.each<[string, () => Answer, object]>([
    ['no answer', () => new TypeError('fetch failed'), { status: 0, code: 'unreachable' }],
    [
      'an error page',
      () => new Response('<h1>Bad gateway</h1>', { status: 502 }),
      { status: 502, code: 'unexpected_answer' },
    ],
    ['an empty 200', () => new Response(''), { status: 200, code: 'unexpected_answer' }],
    ['another shape', () => Response.json({ locations: [{ id: 1 }] }), { status: 200, code: 'unexpected_answer' }],
  ])('has its own code after %s', async (_, answer, expected) => {
    service.answers.set(`GET ${anonymizerUrl}/vpn/locations`, answer);
    await expect(client().locations()).rejects.toMatchObject(expected);
  });

  it('is not thrown when the connection to end has already ended', async () => {
    service.answers.set(`DELETE ${anonymizerUrl}/vpn/connection`, () => problem(404, 'connection_not_found'));
    await expect(client().disconnect('secret')).resolves.toBeUndefined();
    await expect(client().connectionStatus('secret')).rejects.toMatchObject({ code: 'not_found' });
  });
});
