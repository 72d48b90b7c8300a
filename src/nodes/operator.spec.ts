import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZodError } from 'zod';
import { addLocation, createFleetReplica, type FleetReplica } from '../../test/support/fleet.js';
import { createTestStack, query, type TestStack } from '../../test/support/stack.js';
import { TestClock } from '../../test/support/test-clock.js';
import { EnrolmentTokensService, OperatorLocationsService } from './index.js';

const clock = new TestClock();
let stack: TestStack;
let replica: FleetReplica;

beforeAll(async () => {
  stack = await createTestStack();
  replica = await createFleetReplica(stack, clock);
  await addLocation(replica);
});
afterAll(async () => {
  await replica.stop();
  await stack.stop();
});

const tokens = () => replica.app.get(EnrolmentTokensService, { strict: false });
const locations = () => replica.app.get(OperatorLocationsService, { strict: false });

describe('EnrolmentTokensService', () => {
  it('returns a token once; the stored and listed data identify it without revealing it', async () => {
    const { token, ...info } = await tokens().create({ locationId: 'de-frankfurt', uses: 3, hours: 2 });
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(info).toEqual({
      id: createHash('sha256').update(token).digest('hex').slice(0, 16),
      locationId: 'de-frankfurt',
      usesLeft: 3,
      expiresAt: new Date(clock.now().getTime() + 2 * 3_600_000),
    });
    expect(await tokens().list()).toEqual([info]);
    expect(JSON.stringify(await query(stack.ownerUrl, 'SELECT t::text FROM network."EnrolmentToken" t'))).not.toContain(
      token,
    );
  });

  it('revokes a token by its id, and no other token', async () => {
    const [one, two] = await Promise.all([1, 2].map(() => tokens().create({ locationId: 'de-frankfurt' })));
    expect(await tokens().revoke(one?.id ?? '')).toBe(true);
    expect(await tokens().revoke(one?.id ?? '')).toBe(false);
    for (const nonsense of ['', two?.id.slice(0, 2) ?? '', '%', randomUUID()]) {
      expect(await tokens().revoke(nonsense)).toBe(false);
    }
    expect((await tokens().list()).map(({ id }) => id)).toContain(two?.id);
  });

  it('refuses an unknown location, an invalid number of uses, and a lifetime of zero or over 366 days', async () => {
    await expect(tokens().create({ locationId: 'xx-nowhere' })).rejects.toMatchObject({ code: 'unknown_location' });
    for (const wrong of [{ uses: 0 }, { uses: 1.5 }, { hours: 0 }, { hours: 1e6 }]) {
      await expect(tokens().create({ locationId: 'de-frankfurt', ...wrong })).rejects.toThrow(ZodError);
    }
  });
});

describe('OperatorLocationsService', () => {
  it('adds, lists, disables and enables a location', async () => {
    const helsinki = { id: 'fi-helsinki', country: 'FI', city: 'Helsinki', latitude: 60.2, longitude: 24.9 };
    expect(await locations().add(helsinki)).toEqual({ ...helsinki, enabled: true });
    await locations().setEnabled('fi-helsinki', false);
    expect(await locations().list()).toMatchObject([
      { id: 'de-frankfurt', enabled: true },
      { ...helsinki, enabled: false },
    ]);
    await locations().setEnabled('fi-helsinki', true);
    expect((await locations().list()).map(({ enabled }) => enabled)).toEqual([true, true]);
  });

  it('refuses invalid coordinates and codes', async () => {
    const valid = { id: 'se-malmo', country: 'SE', city: 'Malmö', latitude: 55.6, longitude: 13 };
    for (const wrong of [{ id: 'Malmö' }, { country: 'se' }, { city: ' ' }, { latitude: 91 }, { longitude: NaN }]) {
      await expect(locations().add({ ...valid, ...wrong })).rejects.toThrow(ZodError);
    }
  });
});
