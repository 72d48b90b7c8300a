import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../src/prisma/migrate/index.js';
import { refuseOldPostgres } from '../../src/prisma/postgres-version.js';
import { anonymizerEnv, gatekeeperEnv, startTestApp } from '../support/app.js';
import { startOldPostgres } from '../support/old-postgres.js';
import { createDatabase, dropDatabase, query } from '../support/postgres.js';
import { createTestStack, type TestStack } from '../support/stack.js';

let stack: TestStack;
let old: Awaited<ReturnType<typeof startOldPostgres>>;
beforeAll(async () => {
  stack = await createTestStack();
  old = await startOldPostgres(stack.ownerUrl, '170009');
});
afterAll(async () => {
  await old.stop();
  await stack.stop();
});

describe('a PostgreSQL server that is too old', () => {
  it.each(['identity', 'network'] as const)(
    'stops the migration of the %s side before it changes anything',
    async (side) => {
      const ownerUrl = await createDatabase(stack.ownerUrl);
      const runtimeUrl = side === 'identity' ? stack.identityUrl : stack.networkUrl;
      await expect(migrate({ side, ownerUrl: old.through(ownerUrl), runtimeUrl })).rejects.toThrow(
        `The ${side} database runs PostgreSQL 17.9, but 18 or later is required. Upgrade the server.`,
      );
      expect(await query(ownerUrl, 'SELECT to_regnamespace($1) IS NULL AS untouched', [side])).toEqual([
        { untouched: true },
      ]);
      await dropDatabase(ownerUrl);
    },
  );

  it('stops the start of either side', async () => {
    const sides = {
      identity: {
        SERVICE_ROLE: 'gatekeeper',
        ...gatekeeperEnv({ ...stack, identityUrl: old.through(stack.identityUrl) }),
      },
      network: {
        SERVICE_ROLE: 'anonymizer',
        ISSUER_DIRECTORY_URL: 'http://127.0.0.1:1',
        ...anonymizerEnv({ ...stack, networkUrl: old.through(stack.networkUrl) }),
      },
    };
    for (const [side, env] of Object.entries(sides)) {
      await expect(startTestApp(env)).rejects.toThrow(
        `The ${side} database runs PostgreSQL 17.9, but 18 or later is required.`,
      );
    }
  });

  it.each([
    [180_000, true],
    [190_001, true],
    [179_999, false],
    [90_624, false],
  ])('is one with a version before 18: %i', (num, isAccepted) => {
    const refuse = () => refuseOldPostgres('identity', [{ num }]);
    if (isAccepted) expect(refuse).not.toThrow();
    else expect(refuse).toThrow('18 or later');
  });
});
