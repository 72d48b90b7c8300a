import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../prisma/identity/index.js';

/** What the provider says of a person. */
export interface UserProfile {
  readonly firebaseUid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
}

interface KnownUser {
  readonly id: string | null;
  readonly email: string | null;
  readonly email_verified: boolean;
  readonly leaving: boolean;
}

@Injectable()
export class UsersStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * The id of the person's row, made on first sight and brought up to date when the provider's answer has changed: one read
   * when there is nothing to write. However many first requests race, there is one row.
   *
   * @returns undefined when the account is being deleted, or was: a token may outlive it, and must not bring it back
   */
  async provision(
    { firebaseUid, email = null, emailVerified }: NullableProfile,
    today: Date,
  ): Promise<string | undefined> {
    const [known] = await this.prisma.$queryRaw<KnownUser[]>`
      SELECT u.id, u.email, u.email_verified, EXISTS (SELECT FROM "AccountDeletion" WHERE firebase_uid = uid) AS leaving
      FROM (VALUES (${firebaseUid})) who (uid) LEFT JOIN "User" u ON u.firebase_uid = uid`;
    if (known === undefined || known.leaving) return undefined;
    if (known.id !== null && known.email === email && known.email_verified === emailVerified) return known.id;
    const [row] = await this.prisma.$queryRaw<{ id: string }[]>`
      INSERT INTO "User" (firebase_uid, email, email_verified, created_on)
      SELECT ${firebaseUid}, ${email}, ${emailVerified}, ${today}::timestamptz::date
      WHERE NOT EXISTS (SELECT FROM "AccountDeletion" WHERE firebase_uid = ${firebaseUid})
      ON CONFLICT (firebase_uid) DO UPDATE SET email = excluded.email, email_verified = excluded.email_verified
      RETURNING id`;
    return row?.id;
  }
}

type NullableProfile = Omit<UserProfile, 'email'> & { readonly email?: string | null };
