import { Prisma } from '../prisma/network/index.js';

/** Lists of "Connection" columns that several statements of this module share. */

/** All columns, in the order in which the INSERT statements list the values. */
export const allColumns = Prisma.sql`id, key_id, status, revision, node_id, slot, public_key, salt, secret_key_id, secret_hash,
  dns_blocking, started_on, expires_at`;

/** The columns of a `LiveConnection` or a `PeerRow`; the table's alias must be `c`. */
export const liveColumns = Prisma.sql`c.id, c.status::text AS status, c.revision, c.node_id AS "nodeId", c.slot,
  c.public_key AS "publicKey", c.salt, c.secret_key_id AS "secretKeyId", c.dns_blocking::text AS "dnsBlocking",
  c.expires_at AS "expiresAt"`;

/** Turns a row into a tombstone: it keeps only its id, which marks the token as spent, and the issuer key. */
export const asTombstone = Prisma.sql`status = 'ended', node_id = NULL, slot = NULL, public_key = NULL, salt = NULL,
  secret_key_id = NULL, secret_hash = NULL, dns_blocking = NULL, started_on = NULL, expires_at = NULL`;
