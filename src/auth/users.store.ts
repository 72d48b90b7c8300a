import { Injectable } from '@nestjs/common';
import { IdentityPrisma } from '../prisma/identity/index.js';

/** What the provider says of a person. */
export interface UserProfile {
  readonly firebaseUid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
}

@Injectable()
export class UsersStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * The id of the person's row, made on first sight and brought up to date when the provider's answer has changed: one read
   * when there is nothing to write. However many first requests race, there is one row.
   */
  async provision({ firebaseUid, email = null, emailVerified }: NullableProfile, today: Date): Promise<string> {
    const known = await this.prisma.user.findUnique({ where: { firebaseUid } });
    if (known !== null && known.email === email && known.emailVerified === emailVerified) return known.id;
    const [row] = await this.prisma.$queryRaw<[{ id: string }]>`
      INSERT INTO "User" (firebase_uid, email, email_verified, created_on)
      VALUES (${firebaseUid}, ${email}, ${emailVerified}, ${today}::timestamptz::date)
      ON CONFLICT (firebase_uid) DO UPDATE SET email = excluded.email, email_verified = excluded.email_verified
      RETURNING id`;
    return row.id;
  }
}

type NullableProfile = Omit<UserProfile, 'email'> & { readonly email?: string | null };
