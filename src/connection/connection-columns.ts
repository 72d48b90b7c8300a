import { Prisma } from '../prisma/network/index.js';

/** The columns of a "Connection" row, as more than one statement of this module names them. */

/** Everything, in the order in which a new row's values are given. */
export const allColumns = Prisma.sql`id, key_id, status, revision, node_id, slot, public_key, salt, secret_key_id, secret_hash,
  dns_blocking, started_on, expires_at`;

/** What a `LiveConnection` or a `PeerRow` is read from; the table is called `c`. */
export const liveColumns = Prisma.sql`c.id, c.status::text AS status, c.revision, c.node_id AS "nodeId", c.slot,
  c.public_key AS "publicKey", c.salt, c.secret_key_id AS "secretKeyId", c.dns_blocking::text AS "dnsBlocking",
  c.expires_at AS "expiresAt"`;

/** Makes a row the tombstone: nothing is left but the spend and its key. */
export const asTombstone = Prisma.sql`status = 'ended', node_id = NULL, slot = NULL, public_key = NULL, salt = NULL,
  secret_key_id = NULL, secret_hash = NULL, dns_blocking = NULL, started_on = NULL, expires_at = NULL`;
