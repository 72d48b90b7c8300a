import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type IssuerKey, type Prisma } from '../../prisma/identity/index.js';
import { type Epoch, epochTimes } from '../epoch.js';
import { truncatedKeyId } from '../token-key.js';
import { type StoredIssuerKey } from './issuer-key.js';

export type NewIssuerKey = Pick<StoredIssuerKey, 'keyId' | 'spki'> & { readonly encryptedPrivateKey: Buffer };

/** Generates a key whose truncated id is not in `taken`. */
export type KeyMaker = (taken: ReadonlySet<number>) => Promise<NewIssuerKey>;

/** Rows are kept this long after their tokens have expired, so that statistics by key can still be closed. */
const retentionHours = 48;

@Injectable()
export class IssuerKeysStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Keys that have not expired, including retired ones. */
  async live(now: Date): Promise<StoredIssuerKey[]> {
    const rows = await this.prisma.issuerKey.findMany({ where: { verifyUntil: { gt: now } } });
    return rows.map(toStored);
  }

  /** Creates a key for each epoch that has none. */
  async createMissing(epochs: readonly Epoch[], now: Date, make: KeyMaker): Promise<void> {
    await this.withLock((transaction) => createMissing(transaction, epochs, now, make));
  }

  /**
   * Retires a key. Its replacement is created in the same transaction, so no replica ever sees a day without a key.
   *
   * @returns whether there is a live key with this id
   */
  async retire(keyId: Uint8Array, epochs: readonly Epoch[], now: Date, make: KeyMaker): Promise<boolean> {
    return this.withLock(async (transaction) => {
      const count = await transaction.$executeRaw`
        UPDATE "IssuerKey" SET retired_at = coalesce(retired_at, ${now}), encrypted_private_key = NULL
        WHERE key_id = ${bytes(keyId)} AND verify_until > ${now}`;
      if (count > 0) await createMissing(transaction, epochs, now, make);
      return count > 0;
    });
  }

  /** Replaces an encrypted private key, unless it was replaced or erased meanwhile. */
  async rewrap(keyId: Uint8Array, from: Uint8Array, to: Uint8Array): Promise<void> {
    await this.prisma.$executeRaw`
      UPDATE "IssuerKey" SET encrypted_private_key = ${bytes(to)}
      WHERE key_id = ${bytes(keyId)} AND encrypted_private_key = ${bytes(from)}`;
  }

  /** Erases the private keys of keys that no longer sign. */
  async erasePrivateHalves(now: Date): Promise<number> {
    return this.prisma.$executeRaw`
      UPDATE "IssuerKey" SET encrypted_private_key = NULL
      WHERE encrypted_private_key IS NOT NULL AND sign_until <= ${now}`;
  }

  /** Deletes keys that expired long ago, by our clock and by the database's: one wrong clock alone deletes nothing. */
  async purge(now: Date): Promise<number> {
    return this.prisma.$executeRaw`
      DELETE FROM "IssuerKey" WHERE verify_until < least(${now}::timestamptz, now()) - ${retentionHours} * interval '1 hour'`;
  }

  /**
   * Serialises replicas that find a key missing: the first creates it, and the others then see it. The unique index on
   * `sign_from` is a second lock.
   */
  private async withLock<T>(work: (transaction: Prisma.TransactionClient) => Promise<T>): Promise<T> {
    return this.prisma.$transaction(
      async (transaction) => {
        await transaction.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('issuer-keys'))`;
        return work(transaction);
      },
      { maxWait: 20_000, timeout: 60_000 },
    );
  }
}

async function createMissing(
  transaction: Prisma.TransactionClient,
  epochs: readonly Epoch[],
  now: Date,
  make: KeyMaker,
): Promise<void> {
  const live = await transaction.issuerKey.findMany({ where: { verifyUntil: { gt: now } } });
  const missing = epochs.filter((epoch) => !live.some((row) => serves(row, epoch)));
  const taken = new Set(live.map((row) => truncatedKeyId(Buffer.from(row.keyId))));
  for (const epoch of missing) {
    const key = await make(taken);
    taken.add(truncatedKeyId(key.keyId));
    const { signFrom, signUntil, verifyUntil } = epochTimes(epoch);
    await transaction.issuerKey.create({
      data: {
        keyId: bytes(key.keyId),
        spki: bytes(key.spki),
        encryptedPrivateKey: bytes(key.encryptedPrivateKey),
        signFrom,
        signUntil,
        verifyUntil,
      },
    });
  }
}

function serves(row: IssuerKey, epoch: Epoch): boolean {
  return row.retiredAt === null && row.signFrom.getTime() === epochTimes(epoch).signFrom.getTime();
}

function toStored(row: IssuerKey): StoredIssuerKey {
  return {
    keyId: Buffer.from(row.keyId),
    spki: Buffer.from(row.spki),
    encryptedPrivateKey: row.encryptedPrivateKey === null ? null : Buffer.from(row.encryptedPrivateKey),
    signFrom: row.signFrom,
    signUntil: row.signUntil,
    verifyUntil: row.verifyUntil,
    retiredAt: row.retiredAt,
  };
}

/** Prisma needs bytes that own their memory; a pooled Buffer shares it. */
function bytes(value: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(value);
}
