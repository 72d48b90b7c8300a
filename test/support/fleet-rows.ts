import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { hashOf } from '../../src/nodes/secret.js';

/** A node whose agent is simulated. */
export interface LiveNode {
  readonly id: string;
  readonly credential: string;
  /** WireGuard public key, 32 bytes. */
  readonly publicKey: Buffer;
  readonly ip: string;
  readonly port: number;
  readonly capacity: number;
}

const port = 51_820;
const capacity = 60_000;

/** Distinguishes the initial connections of a fleet from those redeemed later. */
const baseDay = '2000-01-01';

export async function addLocation(owner: pg.Client, id: string): Promise<void> {
  await owner.query(
    `INSERT INTO network."Location" (id, country, city, latitude, longitude) VALUES ($1, 'DE', $1, 50.1, 8.7)`,
    [id],
  );
}

/** Inserts nodes as enrolment does, and returns them with their credentials. */
export async function addLiveNodes(owner: pg.Client, locationId: string, count: number): Promise<LiveNode[]> {
  const nodes = Array.from({ length: count }, (_, index) => ({
    id: randomUUID(),
    credential: randomBytes(32).toString('base64url'),
    publicKey: randomBytes(32),
    ip: `192.0.2.${index + 1}`,
    port,
    capacity,
  }));
  for (const { id, credential, publicKey, ip } of nodes) {
    await owner.query(
      `INSERT INTO network."Node" (id, location_id, public_key, ip, port, capacity, status, last_pulse_at,
                                   credential_hash, enrolled_with, enrolled_at)
       VALUES ($1, $2, $3, $4, $5, $6, 'healthy', now(), $7, $7, now())`,
      [id, locationId, publicKey, ip, port, capacity, hashOf(credential)],
    );
  }
  return nodes;
}

/** Inserts nodes without agents, a hundred per location. They count as healthy until the end of the century. */
export async function addSilentNodes(owner: pg.Client, count: number): Promise<void> {
  await owner.query(
    `INSERT INTO network."Location" (id, country, city, latitude, longitude)
     SELECT 'elsewhere-' || i, 'DE', 'Elsewhere', 0, 0 FROM generate_series(0, ($1::int - 1) / 100) i`,
    [Math.max(count, 1)],
  );
  await owner.query(
    `INSERT INTO network."Node" (location_id, public_key, ip, port, capacity, current_load, status, last_pulse_at,
                                 credential_hash, enrolled_with, enrolled_at)
     SELECT 'elsewhere-' || (i / 100), h, '198.51.100.7', $2, $3, i % 100, 'healthy', '2099-12-31', h, h, now()
     FROM generate_series(0, $1::int - 1) i, sha256(('node' || i)::bytea) h`,
    [count, port, capacity],
  );
}

/**
 * Inserts active connections, spread evenly over all nodes, for the issuer key that expires last.
 *
 * @param secretKey NETWORK_SECRET_KEY: 32 bytes, base64
 */
export async function addConnections(owner: pg.Client, count: number, secretKey: string): Promise<void> {
  const secretKeyId = createHash('sha256').update(Buffer.from(secretKey, 'base64')).digest().subarray(0, 8);
  await owner.query(
    `WITH node AS MATERIALIZED (SELECT id, row_number() OVER (ORDER BY id) - 1 AS number FROM network."Node"),
          fleet AS MATERIALIZED (SELECT count(*) AS nodes FROM node)
     INSERT INTO network."Connection" (id, key_id, status, node_id, slot, public_key, salt, secret_key_id, secret_hash,
                                       dns_blocking, started_on, expires_at)
     SELECT gen_random_uuid(), k.key_id, 'active', n.id, i / nodes + 1, sha256(('key' || i)::bytea),
            substr(sha256(('salt' || i)::bytea), 1, 16), $2, sha256(('secret' || i)::bytea), 'none', $3,
            date_trunc('hour', now() + interval '24 hours', 'UTC')
     FROM (SELECT key_id FROM network."VerifierKey" ORDER BY verify_until DESC LIMIT 1) k,
          (SELECT i, nodes, i % nodes AS number FROM generate_series(0, $1::int - 1) i, fleet) g
          JOIN node n USING (number)`,
    [count, secretKeyId, baseDay],
  );
  await owner.query('VACUUM ANALYZE network."Connection"');
  await owner.query('CHECKPOINT');
}

/** Deletes all connections but those of `addConnections`, so that every round starts in the same state. */
export async function removeRedeemed(owner: pg.Client): Promise<void> {
  await owner.query('DELETE FROM network."Connection" WHERE started_on IS DISTINCT FROM $1', [baseDay]);
  await owner.query('VACUUM network."Connection"');
}
