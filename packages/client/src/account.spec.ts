import { describe, expect, it } from 'vitest';
import { createClient } from './client.js';

/** A client of a service that gives every request the same answer, and the requests that it sent. */
function clientOf(answer: () => Response) {
  const requests: { url: string; init: RequestInit }[] = [];
  const client = createClient({
    gatekeeperUrl: 'https://gatekeeper.example/api',
    anonymizerUrl: 'https://anonymizer.example',
    getIdToken: () => 'the-id-token',
    fetch: async (input, init = {}) => {
      requests.push({ url: new Request(input).url, init });
      return answer();
    },
  });
  return { account: client.account, requests };
}

const preferences = {
  defaultLocation: null,
  dnsBlocking: 'none',
  endpointPort: null,
  locale: 'en',
  notMailed: [],
  notPushed: [],
};

describe('VpnAccount', () => {
  it.each([
    ['an empty object', {}],
    ['a list', []],
    ['preferences without lists', { dnsBlocking: 'none', locale: 'en' }],
    ['events without members', { events: [{}], acts: [{}], next: null }],
    ['pages without `next`', { events: [], acts: [] }],
    ['devices without ids', { emailVerified: true, createdOn: '', signInProviders: [], devices: [{}], tokens: {} }],
    ['an export without `identityProvider`', { exportedAt: '', tables: {} }],
  ])('rejects an answer that is %s', async (_, body) => {
    const { account } = clientOf(() => Response.json(body, { headers: { etag: '"1"' } }));
    const calls = [
      account.show(),
      account.changeEmail('ada@example.com'),
      account.addDevice({ platform: 'ios', token: '' }),
      account.history(),
      account.audit(),
      account.export(),
      account.delete(),
      account.preferences(),
    ];
    const results = await Promise.allSettled(calls);
    expect(results).toMatchObject(
      calls.map(() => ({ status: 'rejected', reason: { code: 'unexpected_answer', status: 200 } })),
    );
  });

  it('rejects preferences without an ETag, since they could not be changed', async () => {
    const { account } = clientOf(() => Response.json(preferences));
    await expect(account.preferences()).rejects.toMatchObject({ code: 'unexpected_answer' });
  });

  it('changes preferences with the ETag that was read and the ID token', async () => {
    const { account, requests } = clientOf(() => Response.json(preferences, { headers: { etag: '"8"' } }));
    const { etag } = await account.changePreferences({ endpointPort: 443 }, '"7"');
    expect(etag).toBe('"8"');
    const headers = { authorization: 'Bearer the-id-token', 'if-match': '"7"' };
    expect(requests).toMatchObject([{ init: { method: 'PATCH', headers, body: '{"endpointPort":443}' } }]);
  });

  it('encodes ids and cursors in the path and query', async () => {
    const { account, requests } = clientOf(() => Response.json({ events: [], next: null }));
    await account.history({ cursor: 'a&limit=1', limit: 20 });
    await account.history();
    await account.removeDevice('../../auth/x?y');
    expect(requests.map(({ url }) => url)).toEqual([
      'https://gatekeeper.example/api/account/history?cursor=a%26limit%3D1&limit=20',
      'https://gatekeeper.example/api/account/history',
      'https://gatekeeper.example/api/account/devices/..%2F..%2Fauth%2Fx%3Fy',
    ]);
  });
});
