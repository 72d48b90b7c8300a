import { Injectable } from '@nestjs/common';
import { NetworkPrisma } from '../../prisma/network/index.js';
import { type DirectoryKey } from '../directory.js';

/**
 * A key outlives its tokens by this much: tombstones of spent tokens are dated by it, and a connection bought at the last
 * moment still runs for a day.
 */
const keptHours = 48;

@Injectable()
export class VerifierKeysStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  /** All keys, expired ones too, until they are purged. */
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
   * Adds a key, or its retirement. What is known of a key never changes otherwise: its times date the marks and tombstones
   * of spent tokens, so a later end would let tokens be spent again; and a denial is never taken back.
   */
  async learn(key: DirectoryKey, now: Date): Promise<void> {
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
   * Drops what is long over, by our clock and the database's: a wrong clock alone deletes nothing. Never before its
   * tombstones, which nothing else dates.
   */
  async purge(now: Date): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM "VerifierKey" k
      WHERE verify_until < least(${now}::timestamptz, now()) - ${keptHours} * interval '1 hour'
        AND NOT EXISTS (SELECT FROM "Connection" c WHERE c.key_id = k.key_id)`;
  }
}

/** Prisma takes bytes that own their memory; a pooled Buffer shares its. */
function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(value);
}
