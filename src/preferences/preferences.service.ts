import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { AppError } from '../platform/errors/index.js';
import { type IfMatch } from '../platform/http/index.js';
import { KnownLocationsService } from './known-locations.service.js';
import { type OptionalKind } from './notification-choices.js';
import { type Preferences, type PreferencesPatch } from './preferences.schema.js';
import { PreferencesStore, type VersionedPreferences } from './preferences.store.js';

/** What somebody has who has chosen nothing. */
export const defaultPreferences: Preferences = {
  defaultLocation: null,
  dnsBlocking: 'none',
  endpointPort: null,
  locale: 'en',
  notMailed: [],
  notPushed: [],
};

/** With `If-Match: *` there is nothing to lose by trying again; so many devices change one account's settings at once. */
const maxAttempts = 10;

/** What people have chosen, versioned: a device changes only what it has seen. */
@Injectable()
export class PreferencesService {
  constructor(
    private readonly store: PreferencesStore,
    private readonly locations: KnownLocationsService,
  ) {}

  async read(userId: string): Promise<VersionedPreferences> {
    return (await this.store.find(userId)) ?? { version: 0, preferences: defaultPreferences };
  }

  /** @throws {AppError} `precondition_failed`, `invalid_request` for an unknown location, `unavailable` */
  async replace(userId: string, wanted: Preferences, ifMatch: IfMatch): Promise<VersionedPreferences> {
    return this.change(userId, ifMatch, () => wanted);
  }

  /** @throws {AppError} as `replace` */
  async patch(userId: string, patch: PreferencesPatch, ifMatch: IfMatch): Promise<VersionedPreferences> {
    return this.change(userId, ifMatch, (current) => ({ ...current, ...patch }));
  }

  /** Mails no more of a kind, as somebody asked who need not be signed in. Nothing for an account that is gone. */
  async stopMailing(userId: string, kind: OptionalKind): Promise<void> {
    await this.store.stopMailing(userId, kind, defaultPreferences);
  }

  private async change(
    userId: string,
    ifMatch: IfMatch,
    apply: (current: Preferences) => Preferences,
  ): Promise<VersionedPreferences> {
    for (let tries = 1; ; tries += 1) {
      const current = await this.read(userId);
      const wanted = withoutRepeats(apply(current.preferences));
      // Nothing would be overwritten; and a repeat of a change whose answer was lost is told that it was made.
      if (isDeepStrictEqual(wanted, current.preferences)) return current;
      if (ifMatch !== 'any' && !ifMatch.includes(current.version)) throw changedMeanwhile(current);
      this.assertKnown(wanted, current.preferences);
      const version = await this.store.replace(userId, [current.version], wanted);
      if (version !== undefined) return { version, preferences: wanted };
      if (ifMatch !== 'any' || tries === maxAttempts) throw changedMeanwhile(await this.read(userId));
    }
  }

  /** A location that was chosen earlier may since have gone from the list: it is no obstacle to changing something else. */
  private assertKnown({ defaultLocation: wanted }: Preferences, { defaultLocation: current }: Preferences): void {
    if (wanted === null || wanted === current || this.locations.has(wanted)) return;
    throw new AppError('invalid_request', 'defaultLocation: expected one of GET /vpn/locations.', {
      extras: { errors: [{ field: 'defaultLocation', message: 'expected one of GET /vpn/locations' }] },
    });
  }
}

/** Lists are sets: neither order nor repeats make another choice. */
function withoutRepeats({ notMailed, notPushed, ...rest }: Preferences): Preferences {
  return { ...rest, notMailed: [...new Set(notMailed)].sort(), notPushed: [...new Set(notPushed)].sort() };
}

function changedMeanwhile({ version }: VersionedPreferences): AppError {
  const detail = 'Another device has changed the preferences. Read them again, and change what you then see.';
  return new AppError('precondition_failed', detail, { headers: { etag: `"${version}"` } });
}
