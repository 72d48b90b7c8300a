import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { enqueueNotifications, jobsAdded } from '../notifications/outbox/index.js';
import { raiseEvent } from '../platform/jobs/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';
import { userEmailChanged } from './events.js';

/** A user's profile as the provider has it. */
interface UserProfile {
  readonly firebaseUid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** Ways to sign in, in alphabetical order. */
  readonly signInProviders: readonly string[];
}

/** The part of a user's row that authentication needs. */
export interface UserRow {
  readonly id: string;
  /** Sign-ins until this time are refused; null if the user never signed out everywhere. */
  readonly signedOutAt: Date | null;
}

/** The user's row, if there is one, and whether the account is being deleted. */
interface KnownUser {
  readonly id: string | null;
  readonly signedOutAt: Date | null;
  readonly email: string | null;
  readonly email_verified: boolean;
  readonly sign_in_providers: readonly string[];
  readonly isBeingDeleted: boolean;
}

@Injectable()
export class UsersStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * Returns the user's row. Creates it on the first request, and updates it when the profile at the provider has changed; if
   * there is nothing to write, this is one read. When first requests race, they still create only one row. The request that
   * writes also enqueues the notifications about what is new: the account, a verified address, a way to sign in. A changed
   * address raises an event.
   *
   * @returns undefined if the account was deleted or is being deleted: a token may outlive its account and must not recreate it
   */
  async provision(profile: UserProfileInput, now: Date): Promise<UserRow | undefined> {
    const { firebaseUid, email = null, emailVerified, signInProviders } = profile;
    const [known] = await this.prisma.$queryRaw<KnownUser[]>`
      SELECT u.id, u.signed_out_at AS "signedOutAt", u.email, u.email_verified, u.sign_in_providers,
        EXISTS (SELECT FROM "AccountDeletion" WHERE firebase_uid = uid) AS "isBeingDeleted"
      FROM (VALUES (${firebaseUid})) token (uid) LEFT JOIN "User" u ON u.firebase_uid = uid`;
    if (known === undefined || known.isBeingDeleted) return undefined;
    const isUnchanged =
      known.email === email &&
      known.email_verified === emailVerified &&
      isDeepStrictEqual(known.sign_in_providers, signInProviders);
    if (known.id !== null && isUnchanged) return { id: known.id, signedOutAt: known.signedOutAt };
    const [row] = await this.prisma.$queryRaw<(UserRow & { jobs: number })[]>`
      WITH row AS (
        INSERT INTO "User" (firebase_uid, email, email_verified, sign_in_providers, created_on)
        SELECT ${firebaseUid}, ${email}, ${emailVerified}, ${signInProviders}::text[], ${now}::timestamptz::date
        WHERE NOT EXISTS (SELECT FROM "AccountDeletion" WHERE firebase_uid = ${firebaseUid})
        ON CONFLICT (firebase_uid) DO UPDATE SET email = excluded.email, email_verified = excluded.email_verified,
          sign_in_providers = excluded.sign_in_providers
        RETURNING new.id, new.signed_out_at, old.id IS NULL AS is_new, new.email_verified,
          old.email_verified AND old.email IS NOT DISTINCT FROM new.email AS was_verified,
          new.sign_in_providers, old.sign_in_providers AS old_sign_in_providers,
          old.id IS NOT NULL
            AND (old.email, old.email_verified) IS DISTINCT FROM (new.email, new.email_verified) AS email_changed
      ), events AS (${raiseEvent(userEmailChanged, Prisma.sql`SELECT id AS user_id FROM row WHERE email_changed`)}),
      ${enqueueNotifications(signInNotifications(now))}
      SELECT id, signed_out_at AS "signedOutAt", ${jobsAdded}, (SELECT jobs FROM events) AS events FROM row`;
    return row && { id: row.id, signedOutAt: row.signedOutAt };
  }
}

/** Not finer than seconds, because causes are stored for months. */
const second = (now: Date) => Prisma.sql`extract(epoch FROM date_trunc('second', ${now}::timestamptz))::bigint`;

/** Rows older than the column have no sign-in providers; then none counts as new. */
const signInNotifications = (now: Date) => Prisma.sql`
  SELECT id AS user_id, 'welcome' AS kind, 'welcome:' || id AS cause, '{}'::jsonb AS payload, ${now}::timestamptz AS at
  FROM row WHERE is_new AND email_verified
  UNION ALL
  SELECT id, 'email_verified', 'email_verified:' || id || ':' || ${second(now)}, '{}', ${now}
  FROM row WHERE NOT is_new AND email_verified AND NOT was_verified
  UNION ALL
  SELECT id, 'sign_in_provider_added', 'sign_in_provider_added:' || id || ':' || provider || ':' || ${second(now)},
    jsonb_build_object('signIn', provider), ${now}
  FROM row, unnest(sign_in_providers) provider WHERE old_sign_in_providers <> '{}' AND NOT provider = ANY (old_sign_in_providers)`;

type UserProfileInput = Omit<UserProfile, 'email'> & { readonly email?: string | null };
