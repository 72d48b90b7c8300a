import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HoldingProxy, type Moment } from '../support/holding-proxy.js';
import { query } from '../support/stack.js';
import { postgres } from '../support/wire-protocols.js';
import { blindedTexts, personWithQuota, sign } from './people.js';
import { createWorld, type World } from './world.js';

let world: World;
let toPostgres: HoldingProxy;

beforeAll(async () => {
  world = await createWorld();
  toPostgres = await HoldingProxy.start([Number(new URL(world.services.ownerUrl).port)], postgres);
  await world.first.stop();
});

afterAll(async () => {
  await toPostgres.stop();
  await world.stop();
});

describe.each<Moment>(['before', 'after'])('killed %s an issuer key is written', (moment) => {
  it('leaves it to the next replica to make one key for each day', async () => {
    const through = toPostgres.through(world.env['IDENTITY_DATABASE_URL'] ?? '');
    const victim = await world.replica({ IDENTITY_DATABASE_URL: through });
    const arrived = toPostgres.hold(moment, /INSERT INTO .*"IssuerKey"/);
    // It notices within a second that there is none, and makes them.
    await query(world.services.ownerUrl, 'DELETE FROM identity."IssuerKey"');
    await arrived;
    await victim.kill();

    const heir = await world.replica();
    const keys = await query<{ days: number; keys: number }>(
      world.services.ownerUrl,
      'SELECT count(DISTINCT sign_from)::int AS days, count(*)::int AS keys FROM identity."IssuerKey"',
    );
    expect(keys).toEqual([{ days: 2, keys: 2 }]);
    const person = await personWithQuota(world, [heir.url], 1);
    expect((await sign(heir.url, person, blindedTexts(1))).status).toBe(200);
    await heir.stop();
  });
});
