import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Epoch, epochOf, epochSigningFrom } from '../../src/crypto/epoch.js';
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

const days = (first: Epoch, last: Epoch) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

describe.each<Moment>(['before', 'after'])('killed %s an issuer key is written', (moment) => {
  it('leaves it to the next replica to make one key for each day', async () => {
    const through = toPostgres.through(world.env['IDENTITY_DATABASE_URL'] ?? '');
    const victim = await world.replica({ IDENTITY_DATABASE_URL: through });
    const arrived = toPostgres.hold(moment, /INSERT INTO .*"IssuerKey"/);
    const begun = epochOf(new Date());
    // It notices within a second that there is none, and makes them.
    await query(world.services.ownerUrl, 'DELETE FROM identity."IssuerKey"');
    await arrived;
    await victim.kill();

    const heir = await world.replica();
    const rows = await query<{ from: Date }>(
      world.services.ownerUrl,
      'SELECT sign_from AS from FROM identity."IssuerKey" ORDER BY sign_from',
    );
    // Today's and tomorrow's. Should a day end just now, the heir has looked for them once before that and once after it.
    const todays = [begun, epochOf(new Date())];
    const right = todays.flatMap((first) => todays.map((last) => days(first, last + 1)));
    expect(right).toContainEqual(rows.map(({ from }) => epochSigningFrom(from)));
    // The key that they would name is gone.
    const person = { ...(await personWithQuota(world, [heir.url], 1)), keyId: undefined };
    expect((await sign(heir.url, person, blindedTexts(1))).status).toBe(200);
    await heir.stop();
  });
});
