import { beforeEach, describe, expect, it } from 'vitest';
import { TestClock } from '../../test/support/test-clock.js';
import { type FirebaseAccount, type FirebaseClient, FirebaseUnavailable } from './firebase.client.js';
import { IdentityCacheService } from './identity-cache.service.js';
import { type UsersStore } from './users.store.js';

// Real: IdentityCacheService. Fakes, so that a test decides which answer comes first: the provider and the store.

const account: FirebaseAccount = {
  disabled: false,
  tokensValidAfter: new Date(0),
  emailVerified: true,
  signInProviders: ['password'],
};

class Provider {
  /** The questions that wait for an answer, oldest first. */
  readonly waiting: PromiseWithResolvers<FirebaseAccount | undefined>[] = [];
  asked = 0;

  lookUp(): Promise<FirebaseAccount | undefined> {
    this.asked += 1;
    const question = Promise.withResolvers<FirebaseAccount | undefined>();
    this.waiting.push(question);
    return question.promise;
  }

  answer(answer: FirebaseAccount | undefined): void {
    this.waiting.shift()?.resolve(answer);
  }

  fail(): void {
    this.waiting.shift()?.reject(new FirebaseUnavailable('test'));
  }
}

let clock: TestClock;
let provider: Provider;
let provisions: (() => Promise<string>)[];
let people: IdentityCacheService;

beforeEach(() => {
  clock = new TestClock();
  provider = new Provider();
  provisions = [];
  const users: Pick<UsersStore, 'provision'> = {
    provision: async () => ({ id: (await provisions.shift()?.()) ?? 'user', signedOutAt: null }),
  };
  people = new IdentityCacheService(provider as unknown as FirebaseClient, users as UsersStore, clock);
});

const bearer = { uid: 'uid', authTime: new Date('2030-01-01T11:00:00Z') };
const person = {
  userId: 'user',
  firebaseUid: 'uid',
  emailVerified: true,
  signInProviders: ['password'],
  authTime: bearer.authTime,
};

async function recogniseAfter(answer: FirebaseAccount | undefined) {
  const recognised = people.recognise(bearer);
  provider.answer(answer);
  return recognised;
}

describe('asks the provider', () => {
  it('once for however many requests come at once', async () => {
    const all = Array.from({ length: 20 }, () => people.recognise(bearer));
    provider.answer(account);
    await Promise.all(all);
    expect(provider.asked).toBe(1);
  });

  it('at most once a minute', async () => {
    await recogniseAfter(account);
    clock.advance(59_999);
    expect(await people.recognise(bearer)).toEqual(person);
    clock.advance(1);
    await recogniseAfter(account);
    expect(provider.asked).toBe(2);
  });

  it('at most once a minute about an account that is gone', async () => {
    await expect(recogniseAfter(undefined)).rejects.toThrow('invalid_id_token');
    await expect(people.recognise(bearer)).rejects.toThrow('invalid_id_token');
    expect(provider.asked).toBe(1);
  });

  it('always, to confirm', async () => {
    await recogniseAfter(account);
    const confirmed = people.confirm(person);
    provider.answer(undefined);
    await expect(confirmed).rejects.toThrow('invalid_id_token');
    await expect(people.recognise(bearer)).rejects.toThrow('invalid_id_token');
    expect(provider.asked).toBe(2);
  });

  it('anew to confirm, rather than share a question asked before', async () => {
    const before = people.recognise(bearer);
    const confirmed = people.confirm(person);
    expect(provider.asked).toBe(2);
    provider.answer(account);
    await before;
    provider.answer({ ...account, disabled: true });
    await expect(confirmed).rejects.toThrow('invalid_id_token');
  });
});

describe('an answer that was overtaken is not remembered', () => {
  it('by a newer question', async () => {
    const before = people.recognise(bearer);
    const confirmed = people.confirm(person);
    const [older, newer] = provider.waiting;
    newer?.resolve({ ...account, disabled: true });
    await expect(confirmed).rejects.toThrow('invalid_id_token');
    older?.resolve(account);
    await before;
    await expect(people.recognise(bearer)).rejects.toThrow('invalid_id_token');
  });

  it('by forgetting the person', async () => {
    const before = people.recognise(bearer);
    people.forget('uid');
    provider.answer(account);
    await before;
    await expect(recogniseAfter(undefined)).rejects.toThrow('invalid_id_token');
  });
});

describe('a revocation', () => {
  const revoked = { ...account, tokensValidAfter: new Date('2030-01-01T11:30:00Z') };

  it('refuses sign-ins before it, and takes those after it', async () => {
    await expect(recogniseAfter(revoked)).rejects.toThrow('revoked');
    const later = { uid: 'uid', authTime: revoked.tokensValidAfter };
    expect(await people.recognise(later)).toMatchObject({ userId: 'user' });
  });
});

describe('while the provider is down', () => {
  async function recogniseInVain() {
    const recognised = people.recognise(bearer);
    provider.fail();
    return recognised;
  }

  it('lets through whom it vouched for within ten minutes, and waits for it once a minute', async () => {
    await recogniseAfter(account);
    clock.advance(5 * 60_000);
    expect(await recogniseInVain()).toEqual(person);
    expect(await people.recognise(bearer)).toEqual(person);
    expect(provider.asked).toBe(2);
    clock.advance(5 * 60_000 - 1);
    expect(await recogniseInVain()).toEqual(person);
  });

  it('nobody after ten minutes, nor anybody new', async () => {
    await recogniseAfter(account);
    clock.advance(10 * 60_000);
    await expect(recogniseInVain()).rejects.toThrow('identity_provider_unavailable');
    people.forget('uid');
    await expect(recogniseInVain()).rejects.toThrow('identity_provider_unavailable');
  });

  it('still refuses whom it refused', async () => {
    await expect(recogniseAfter({ ...account, disabled: true })).rejects.toThrow('invalid_id_token');
    clock.advance(60_000);
    await expect(recogniseInVain()).rejects.toThrow('invalid_id_token');
  });

  it('confirms nobody', async () => {
    await recogniseAfter(account);
    const confirmed = people.confirm(person);
    provider.fail();
    await expect(confirmed).rejects.toThrow('identity_provider_unavailable');
  });
});

describe('a row', () => {
  it('is not asked for while a token is refused', async () => {
    let provisioned = 0;
    provisions.push(async () => `${(provisioned += 1)}`);
    await expect(recogniseAfter({ ...account, disabled: true })).rejects.toThrow();
    await expect(recogniseAfter(undefined)).rejects.toThrow();
    expect(provisioned).toBe(0);
  });

  it('is asked for again after the store failed', async () => {
    provisions.push(() => Promise.reject(new Error('down')));
    await expect(recogniseAfter(account)).rejects.toThrow('down');
    expect(await people.recognise(bearer)).toEqual(person);
  });
});
