import { describe, expect, it } from 'vitest';
import { createClient } from './client.js';

/** A client of a service that always answers this, and what was asked of it. */
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

describe('an account', () => {
  it.each([
    ['nothing', {}],
    ['a list', []],
    ['preferences without lists', { dnsBlocking: 'none', locale: 'en' }],
    ['events that say nothing', { events: [{}], acts: [{}], next: null }],
    ['pages without a next', { events: [], acts: [] }],
    ['devices without names', { emailVerified: true, createdOn: '', signInProviders: [], devices: [{}], tokens: {} }],
    ['tables without a person', { exportedAt: '', tables: {} }],
  ])('believes no answer of %s', async (_, body) => {
    const { account } = clientOf(() => Response.json(body, { headers: { etag: '"1"' } }));
    const asked = [
      account.show(),
      account.changeEmail('ada@example.com'),
      account.addDevice({ platform: 'ios', token: '' }),
      account.history(),
      account.acts(),
      account.export(),
      account.delete(),
      account.preferences(),
    ];
    const results = await Promise.allSettled(asked);
    expect(results).toMatchObject(
      asked.map(() => ({ status: 'rejected', reason: { code: 'unexpected_answer', status: 200 } })),
    );
  });

  it('knows no preferences whose version was not said: they could not be changed', async () => {
    const { account } = clientOf(() => Response.json(preferences));
    await expect(account.preferences()).rejects.toMatchObject({ code: 'unexpected_answer' });
  });

  it('is changed only of the version that was read, as the person', async () => {
    const { account, requests } = clientOf(() => Response.json(preferences, { headers: { etag: '"8"' } }));
    const { etag } = await account.changePreferences({ endpointPort: 443 }, '"7"');
    expect(etag).toBe('"8"');
    const headers = { authorization: 'Bearer the-id-token', 'if-match': '"7"' };
    expect(requests).toMatchObject([{ init: { method: 'PATCH', headers, body: '{"endpointPort":443}' } }]);
  });

  it('names what it asks for in the path and the query, whatever that is', async () => {
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
