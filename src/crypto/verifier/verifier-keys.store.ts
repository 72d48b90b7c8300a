import { Injectable } from '@nestjs/common';
import { NetworkPrisma } from '../../prisma/network/index.js';
import { type DirectoryKey } from '../directory.js';

/**
 * How long a key is kept after it has expired: tombstones of spent tokens are purged by its expiry, and a connection redeemed
 * at the last moment still runs for a day.
 */
const retentionHours = 48;

@Injectable()
export class VerifierKeysStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /** All keys, including expired ones until they are purged. */
  async all(): Promise<DirectoryKey[]> {
    const rows = await this.prisma.verifierKey.findMany();
    return rows.map((row) => ({
      keyId: Buffer.from(row.keyId),
      spki: Buffer.from(row.spki),
      notBefore: row.notBefore,
      signUntil: row.signUntil,
      verifyUntil: row.verifyUntil,
      retired: row.deniedAt !== null,
    }));
  }

  /**
   * Stores a new key, or the retirement of a known one. Nothing else of a known key ever changes: marks and tombstones of spent
   * tokens expire by its times, so a later expiry would let tokens be spent again. A denial is permanent.
   */
  async save(key: DirectoryKey, now: Date): Promise<void> {
    const deniedAt = key.retired ? now : null;
    await this.prisma.$executeRaw`
      INSERT INTO "VerifierKey" AS known (key_id, spki, not_before, sign_until, verify_until, denied_at)
      VALUES (${bytes(key.keyId)}, ${bytes(key.spki)}, ${key.notBefore}, ${key.signUntil}, ${key.verifyUntil}, ${deniedAt})
      ON CONFLICT (key_id) DO UPDATE SET denied_at = excluded.denied_at
      WHERE known.denied_at IS NULL AND excluded.denied_at IS NOT NULL`;
  }

  /** @returns whether there is such a key */
  async deny(keyId: Uint8Array, now: Date): Promise<boolean> {
    const count = await this.prisma.$executeRaw`
      UPDATE "VerifierKey" SET denied_at = coalesce(denied_at, ${now}) WHERE key_id = ${bytes(keyId)}`;
    return count > 0;
  }

  /**
   * Deletes keys that expired long ago, by our clock and by the database's: one wrong clock alone deletes nothing. A key with
   * tombstones stays, because their purge needs its expiry.
   */
  async purge(now: Date): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM "VerifierKey" k
      WHERE verify_until < least(${now}::timestamptz, now()) - ${retentionHours} * interval '1 hour'
        AND NOT EXISTS (SELECT FROM "Connection" c WHERE c.key_id = k.key_id)`;
  }
}

/** Prisma needs bytes that own their memory; a pooled Buffer shares it. */
function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(value);
}
