import { createHmac, randomBytes } from 'node:crypto';
import { openPool } from '../../support/postgres.js';
import { type MadeConnection } from './device.js';
import { type SimulatedUser } from './population.js';
import { type Stacks } from './stacks.js';

/*
 * Leaks that the world plants in the databases, to see that the adversary finds them. `preload/leaks.ts` plants those in the
 * processes. The product's code has none of them.
 */

/** A table that users' acts write, and where their order and times are planted. */
const targets = {
  identity: { schema: 'identity', table: 'TokenIssuance', column: 'user_id' },
  network: { schema: 'network', table: 'Connection', column: 'id' },
} as const;

/**
 * A column with exact times; a table with the order of the acts and no time; a table of hashes of addresses under a salt that
 * both sides share. The functions run as their owner, because the service's roles may not write the planted tables. Can be run
 * again: the service may have replaced a table by a copy without triggers.
 */
const plant = ({ schema, table, column }: (typeof targets)[keyof typeof targets]) => `
  ALTER TABLE ${schema}."${table}" ADD COLUMN IF NOT EXISTS planted_at timestamptz DEFAULT clock_timestamp();
  CREATE TABLE IF NOT EXISTS ${schema}.planted_order (${column} uuid NOT NULL);
  CREATE TABLE IF NOT EXISTS ${schema}.planted_address (${column} uuid PRIMARY KEY, hash text NOT NULL);
  CREATE OR REPLACE FUNCTION ${schema}.plant_order() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = ${schema} AS
    $$ BEGIN INSERT INTO planted_order VALUES (NEW.${column}); RETURN NULL; END $$;
  CREATE OR REPLACE TRIGGER planted_order AFTER INSERT ON ${schema}."${table}"
    FOR EACH ROW EXECUTE FUNCTION ${schema}.plant_order();`;

export interface Planting {
  /** Plants what is missing. */
  renew(): Promise<void>;
  /** Notes the user's address on both sides. */
  noteAddress(user: SimulatedUser, uid: string, connections: readonly MadeConnection[]): Promise<void>;
  stop(): Promise<void>;
}

export const noPlanting: Planting = {
  renew: async () => undefined,
  noteAddress: async () => undefined,
  stop: async () => undefined,
};

export async function startPlanting({ identity, network }: Stacks): Promise<Planting> {
  const salt = randomBytes(32);
  const [users, connections] = [identity, network].map(({ services }) =>
    openPool({ connectionString: services.ownerUrl, max: 2 }),
  ) as [ReturnType<typeof openPool>, ReturnType<typeof openPool>];
  const planting: Planting = {
    renew: async () => {
      await users.query(plant(targets.identity));
      await connections.query(plant(targets.network));
    },
    noteAddress: async ({ address }, uid, made) => {
      const hash = createHmac('sha256', salt).update(address).digest('hex');
      await users.query(
        `INSERT INTO identity.planted_address SELECT id, $2 FROM identity."User" WHERE firebase_uid = $1
         ON CONFLICT DO NOTHING`,
        [uid, hash],
      );
      await connections.query(
        'INSERT INTO network.planted_address SELECT unnest($1::uuid[]), $2 ON CONFLICT DO NOTHING',
        [made.map(({ id }) => id), hash],
      );
    },
    stop: async () => void (await Promise.all([users.end(), connections.end()])),
  };
  await planting.renew();
  return planting;
}
