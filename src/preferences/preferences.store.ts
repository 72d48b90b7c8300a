import { Injectable } from '@nestjs/common';
import { IdentityPrisma, type UserPreferences } from '../prisma/identity/index.js';
import { type OptionalKind } from './notification-choices.js';
import { type Preferences } from './preferences.schema.js';

export interface VersionedPreferences {
  /** 0 if the user has not changed any preference yet. */
  readonly version: number;
  readonly preferences: Preferences;
}

@Injectable()
export class PreferencesStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async find(userId: string): Promise<VersionedPreferences | undefined> {
    const row = await this.prisma.userPreferences.findUnique({ where: { userId } });
    return row === null ? undefined : { version: row.version, preferences: toPreferences(row) };
  }

  /**
   * Replaces the preferences if their version is one of `versions`. This statement decides between racing devices: the row
   * lock makes one wait for the other, and it then sees the other's version.
   *
   * @returns the new version; undefined if the current version is another one
   */
  async replace(userId: string, versions: readonly number[], wanted: Preferences): Promise<number | undefined> {
    const rows = await this.prisma.$queryRaw<{ version: number }[]>`
      INSERT INTO "UserPreferences" AS p
        (user_id, version, default_location, dns_blocking, endpoint_port, locale, muted_email, muted_push)
      SELECT ${userId}::uuid, 1, ${wanted.defaultLocation}, ${wanted.dnsBlocking}::"DnsBlocking", ${wanted.endpointPort}::int,
        ${wanted.locale}, ${wanted.notMailed}::"NotificationKind"[], ${wanted.notPushed}::"NotificationKind"[]
      WHERE 0 = ANY (${versions}::int[]) OR EXISTS (SELECT FROM "UserPreferences" WHERE user_id = ${userId}::uuid)
      ON CONFLICT (user_id) DO UPDATE SET version = p.version + 1, default_location = excluded.default_location,
        dns_blocking = excluded.dns_blocking, endpoint_port = excluded.endpoint_port, locale = excluded.locale,
        muted_email = excluded.muted_email, muted_push = excluded.muted_push
      WHERE p.version = ANY (${versions}::int[]) RETURNING version`;
    return rows[0]?.version;
  }

  /** Adds a kind to those that are not mailed. Does not overwrite a concurrent change by a device. */
  async stopMailing(userId: string, kind: OptionalKind, otherwise: Preferences): Promise<void> {
    await this.prisma.$executeRaw`
      INSERT INTO "UserPreferences" AS p
        (user_id, version, default_location, dns_blocking, endpoint_port, locale, muted_email, muted_push)
      SELECT id, 1, ${otherwise.defaultLocation}, ${otherwise.dnsBlocking}::"DnsBlocking", ${otherwise.endpointPort}::int,
        ${otherwise.locale}, ARRAY[${kind}]::"NotificationKind"[], '{}'
      FROM "User" WHERE id = ${userId}::uuid
      ON CONFLICT (user_id) DO UPDATE SET version = p.version + 1, muted_email = p.muted_email || excluded.muted_email
      WHERE NOT p.muted_email @> excluded.muted_email`;
  }
}

/** The casts are safe: the values were validated when they were written. */
function toPreferences({ defaultLocation, dnsBlocking, endpointPort, ...row }: UserPreferences): Preferences {
  return {
    defaultLocation,
    dnsBlocking,
    endpointPort,
    locale: row.locale as Preferences['locale'],
    notMailed: row.mutedEmail as Preferences['notMailed'],
    notPushed: row.mutedPush as Preferences['notPushed'],
  };
}
