import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { enqueueNotifications, jobsAdded } from '../notifications/outbox/index.js';
import { raiseEvent } from '../platform/jobs/index.js';
import { IdentityPrisma, Prisma } from '../prisma/identity/index.js';
import { userEmailChanged } from './events.js';

/** What the provider says of a person. */
interface UserProfile {
  readonly firebaseUid: string;
  readonly email?: string;
  readonly emailVerified: boolean;
  /** Ways to sign in, in the order of the alphabet. */
  readonly signInProviders: readonly string[];
}

/** Somebody's row, as far as it decides whether they are let in. */
export interface UserRow {
  readonly id: string;
  /** Sign-ins until then count no longer; null if they never signed out everywhere. */
  readonly signedOutAt: Date | null;
}

interface KnownUser {
  readonly id: string | null;
  readonly signedOutAt: Date | null;
  readonly email: string | null;
  readonly email_verified: boolean;
  readonly sign_in_providers: readonly string[];
  readonly leaving: boolean;
}

@Injectable()
export class UsersStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /**
   * The person's row, made on first sight and brought up to date when the provider's answer has changed: one read
   * when there is nothing to write. However many first requests race, there is one row; and of what is new in it (the
   * account, a proven address, a way to sign in) the person is told once, by whichever request wrote it. That an address
   * changed is raised as an event.
   *
   * @returns undefined when the account is being deleted, or was: a token may outlive it, and must not bring it back
   */
  async provision(profile: NullableProfile, now: Date): Promise<UserRow | undefined> {
    const { firebaseUid, email = null, emailVerified, signInProviders } = profile;
    const [known] = await this.prisma.$queryRaw<KnownUser[]>`
      SELECT u.id, u.signed_out_at AS "signedOutAt", u.email, u.email_verified, u.sign_in_providers,
        EXISTS (SELECT FROM "AccountDeletion" WHERE firebase_uid = uid) AS leaving
      FROM (VALUES (${firebaseUid})) who (uid) LEFT JOIN "User" u ON u.firebase_uid = uid`;
    if (known === undefined || known.leaving) return undefined;
    const isAsKnown =
      known.email === email &&
      known.email_verified === emailVerified &&
      isDeepStrictEqual(known.sign_in_providers, signInProviders);
    if (known.id !== null && isAsKnown) return { id: known.id, signedOutAt: known.signedOutAt };
    const [row] = await this.prisma.$queryRaw<(UserRow & { jobs: number })[]>`
      WITH row AS (
        INSERT INTO "User" (firebase_uid, email, email_verified, sign_in_providers, created_on)
        SELECT ${firebaseUid}, ${email}, ${emailVerified}, ${signInProviders}::text[], ${now}::timestamptz::date
        WHERE NOT EXISTS (SELECT FROM "AccountDeletion" WHERE firebase_uid = ${firebaseUid})
        ON CONFLICT (firebase_uid) DO UPDATE SET email = excluded.email, email_verified = excluded.email_verified,
          sign_in_providers = excluded.sign_in_providers
        RETURNING new.id, new.signed_out_at, old.id IS NULL AS is_new, new.email_verified,
          old.email_verified AND old.email IS NOT DISTINCT FROM new.email AS was_verified,
          new.sign_in_providers, old.sign_in_providers AS had,
          old.id IS NOT NULL
            AND (old.email, old.email_verified) IS DISTINCT FROM (new.email, new.email_verified) AS has_moved
      ), moved AS (${raiseEvent(userEmailChanged, Prisma.sql`SELECT id AS user_id FROM row WHERE has_moved`)}),
      ${enqueueNotifications(whatIsNew(now))}
      SELECT id, signed_out_at AS "signedOutAt", ${jobsAdded}, (SELECT jobs FROM moved) AS moved FROM row`;
    return row && { id: row.id, signedOutAt: row.signedOutAt };
  }
}

/** No finer: a cause is kept for months. */
const second = (now: Date) => Prisma.sql`extract(epoch FROM date_trunc('second', ${now}::timestamptz))::bigint`;

/** Empty ways to sign in are of a row that is older than their column: then none of them is new. */
const whatIsNew = (now: Date) => Prisma.sql`
  SELECT id AS user_id, 'welcome' AS kind, 'welcome:' || id AS cause, '{}'::jsonb AS payload, ${now}::timestamptz AS at
  FROM row WHERE is_new AND email_verified
  UNION ALL
  SELECT id, 'email_verified', 'email_verified:' || id || ':' || ${second(now)}, '{}', ${now}
  FROM row WHERE NOT is_new AND email_verified AND NOT was_verified
  UNION ALL
  SELECT id, 'sign_in_provider_added', 'sign_in_provider_added:' || id || ':' || provider || ':' || ${second(now)},
    jsonb_build_object('signIn', provider), ${now}
  FROM row, unnest(sign_in_providers) provider WHERE had <> '{}' AND NOT provider = ANY (had)`;

type NullableProfile = Omit<UserProfile, 'email'> & { readonly email?: string | null };
