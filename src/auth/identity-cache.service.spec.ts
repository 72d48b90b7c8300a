import { beforeEach, describe, expect, it } from 'vitest';
import { TestClock } from '../../test/support/test-clock.js';
import { type FirebaseAccount, type FirebaseClient, FirebaseUnavailable } from './firebase.client.js';
import { IdentityCacheService } from './identity-cache.service.js';
import { type UsersStore } from './users.store.js';

// Real: IdentityCacheService. Fake: the provider and the store, so that a test decides the order of responses.

const account: FirebaseAccount = {
  disabled: false,
  tokensValidAfter: new Date(0),
  emailVerified: true,
  signInProviders: ['password'],
};

class FakeProvider {
  /** Fetches that wait for a response, oldest first. */
  readonly waiting: PromiseWithResolvers<FirebaseAccount | undefined>[] = [];
  fetches = 0;

  fetchAccount(): Promise<FirebaseAccount | undefined> {
    this.fetches += 1;
    const response = Promise.withResolvers<FirebaseAccount | undefined>();
    this.waiting.push(response);
    return response.promise;
  }

  respond(account: FirebaseAccount | undefined): void {
    this.waiting.shift()?.resolve(account);
  }

  fail(): void {
    this.waiting.shift()?.reject(new FirebaseUnavailable('test'));
  }
}

let clock: TestClock;
let provider: FakeProvider;
let provisions: (() => Promise<string>)[];
let identityCache: IdentityCacheService;

beforeEach(() => {
  clock = new TestClock();
  provider = new FakeProvider();
  provisions = [];
  const users: Pick<UsersStore, 'provision'> = {
    provision: async () => ({ id: (await provisions.shift()?.()) ?? 'user', signedOutAt: null }),
  };
  identityCache = new IdentityCacheService(provider as unknown as FirebaseClient, users as UsersStore, clock);
});

const tokenUser = { uid: 'uid', authTime: new Date('2030-01-01T11:00:00Z') };
const user = {
  userId: 'user',
  firebaseUid: 'uid',
  emailVerified: true,
  signInProviders: ['password'],
  authTime: tokenUser.authTime,
};

async function identifyWith(response: FirebaseAccount | undefined) {
  const identified = identityCache.identify(tokenUser);
  provider.respond(response);
  return identified;
}

describe('IdentityCacheService', () => {
  describe('fetching from the provider', () => {
    it('fetches once for concurrent requests', async () => {
      const all = Array.from({ length: 20 }, () => identityCache.identify(tokenUser));
      provider.respond(account);
      await Promise.all(all);
      expect(provider.fetches).toBe(1);
    });

    it('fetches at most once a minute', async () => {
      await identifyWith(account);
      clock.advance(59_999);
      expect(await identityCache.identify(tokenUser)).toEqual(user);
      clock.advance(1);
      await identifyWith(account);
      expect(provider.fetches).toBe(2);
    });

    it('fetches a deleted account at most once a minute', async () => {
      await expect(identifyWith(undefined)).rejects.toThrow('invalid_id_token');
      await expect(identityCache.identify(tokenUser)).rejects.toThrow('invalid_id_token');
      expect(provider.fetches).toBe(1);
    });

    it('always fetches to confirm a user', async () => {
      await identifyWith(account);
      const confirmed = identityCache.confirm(user);
      provider.respond(undefined);
      await expect(confirmed).rejects.toThrow('invalid_id_token');
      await expect(identityCache.identify(tokenUser)).rejects.toThrow('invalid_id_token');
      expect(provider.fetches).toBe(2);
    });

    it('starts a new fetch to confirm a user, even if another one is running', async () => {
      const before = identityCache.identify(tokenUser);
      const confirmed = identityCache.confirm(user);
      expect(provider.fetches).toBe(2);
      provider.respond(account);
      await before;
      provider.respond({ ...account, disabled: true });
      await expect(confirmed).rejects.toThrow('invalid_id_token');
    });
  });

  describe('caching responses', () => {
    it('does not cache a response if a newer fetch began meanwhile', async () => {
      const before = identityCache.identify(tokenUser);
      const confirmed = identityCache.confirm(user);
      const [older, newer] = provider.waiting;
      newer?.resolve({ ...account, disabled: true });
      await expect(confirmed).rejects.toThrow('invalid_id_token');
      older?.resolve(account);
      await before;
      await expect(identityCache.identify(tokenUser)).rejects.toThrow('invalid_id_token');
    });

    it('does not cache a response if the user was invalidated meanwhile', async () => {
      const before = identityCache.identify(tokenUser);
      identityCache.invalidate('uid');
      provider.respond(account);
      await before;
      await expect(identifyWith(undefined)).rejects.toThrow('invalid_id_token');
    });
  });

  describe('after a revocation', () => {
    const revoked = { ...account, tokensValidAfter: new Date('2030-01-01T11:30:00Z') };

    it('refuses earlier sign-ins and accepts later ones', async () => {
      await expect(identifyWith(revoked)).rejects.toThrow('revoked');
      const later = { uid: 'uid', authTime: revoked.tokensValidAfter };
      expect(await identityCache.identify(later)).toMatchObject({ userId: 'user' });
    });
  });

  describe('while the provider is down', () => {
    async function identifyDuringOutage() {
      const identified = identityCache.identify(tokenUser);
      provider.fail();
      return identified;
    }

    it('accepts cached users for ten minutes, and fetches once a minute', async () => {
      await identifyWith(account);
      clock.advance(5 * 60_000);
      expect(await identifyDuringOutage()).toEqual(user);
      expect(await identityCache.identify(tokenUser)).toEqual(user);
      expect(provider.fetches).toBe(2);
      clock.advance(5 * 60_000 - 1);
      expect(await identifyDuringOutage()).toEqual(user);
    });

    it('refuses users who were cached more than ten minutes ago, and new users', async () => {
      await identifyWith(account);
      clock.advance(10 * 60_000);
      await expect(identifyDuringOutage()).rejects.toThrow('identity_provider_unavailable');
      identityCache.invalidate('uid');
      await expect(identifyDuringOutage()).rejects.toThrow('identity_provider_unavailable');
    });

    it('still refuses a user that it refused before the outage', async () => {
      await expect(identifyWith({ ...account, disabled: true })).rejects.toThrow('invalid_id_token');
      clock.advance(60_000);
      await expect(identifyDuringOutage()).rejects.toThrow('invalid_id_token');
    });

    it('refuses to confirm a user', async () => {
      await identifyWith(account);
      const confirmed = identityCache.confirm(user);
      provider.fail();
      await expect(confirmed).rejects.toThrow('identity_provider_unavailable');
    });
  });

  describe('provisioning the row', () => {
    it('does not provision a row if the token is refused', async () => {
      let provisioned = 0;
      provisions.push(async () => `${(provisioned += 1)}`);
      await expect(identifyWith({ ...account, disabled: true })).rejects.toThrow();
      await expect(identifyWith(undefined)).rejects.toThrow();
      expect(provisioned).toBe(0);
    });

    it('provisions the row again after the store failed', async () => {
      provisions.push(() => Promise.reject(new Error('down')));
      await expect(identifyWith(account)).rejects.toThrow('down');
      expect(await identityCache.identify(tokenUser)).toEqual(user);
    });
  });
});
