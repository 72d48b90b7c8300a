import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { AppError } from '../platform/errors/index.js';
import { type IfMatch } from '../platform/http/index.js';
import { KnownLocationsService } from './known-locations.service.js';
import { type OptionalKind } from './notification-choices.js';
import { type Preferences, type PreferencesPatch } from './preferences.schema.js';
import { PreferencesStore, type VersionedPreferences } from './preferences.store.js';

/** The preferences of a user who has not changed any. */
export const defaultPreferences: Preferences = {
  defaultLocation: null,
  dnsBlocking: 'none',
  endpointPort: null,
  locale: 'en',
  notMailed: [],
  notPushed: [],
};

/** A change with `If-Match: *` may be retried after a race. More devices than this never change one account at once. */
const maxAttempts = 10;

/** Reads and changes preferences. They have versions, so that a device can change only a version that it has seen. */
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

  /** Turns off one kind of mail, for an unsubscribe link. Does nothing if the account no longer exists. */
  async stopMailing(userId: string, kind: OptionalKind): Promise<void> {
    await this.store.stopMailing(userId, kind, defaultPreferences);
  }

  private async change(
    userId: string,
    ifMatch: IfMatch,
    apply: (current: Preferences) => Preferences,
  ): Promise<VersionedPreferences> {
    for (let attempt = 1; ; attempt += 1) {
      const current = await this.read(userId);
      const wanted = normalised(apply(current.preferences));
      // Nothing to write. This also confirms a repeated change whose first response was lost.
      if (isDeepStrictEqual(wanted, current.preferences)) return current;
      if (ifMatch !== 'any' && !ifMatch.includes(current.version)) throw preconditionFailed(current);
      this.assertKnown(wanted, current.preferences);
      const version = await this.store.replace(userId, [current.version], wanted);
      if (version !== undefined) return { version, preferences: wanted };
      if (ifMatch !== 'any' || attempt === maxAttempts) throw preconditionFailed(await this.read(userId));
    }
  }

  /** A location that was chosen earlier may stay, even if it is no longer listed, while other fields change. */
  private assertKnown({ defaultLocation: wanted }: Preferences, { defaultLocation: current }: Preferences): void {
    if (wanted === null || wanted === current || this.locations.has(wanted)) return;
    throw new AppError('invalid_request', 'defaultLocation: expected the id of a location, see GET /vpn/locations.', {
      extras: {
        errors: [{ field: 'defaultLocation', message: 'expected the id of a location, see GET /vpn/locations' }],
      },
    });
  }
}

/** Lists are sets: order and duplicates make no difference. */
function normalised({ notMailed, notPushed, ...rest }: Preferences): Preferences {
  return { ...rest, notMailed: [...new Set(notMailed)].sort(), notPushed: [...new Set(notPushed)].sort() };
}

function preconditionFailed({ version }: VersionedPreferences): AppError {
  const detail =
    'Another device has changed the preferences. Read them again, then repeat the change with the new ETag.';
  return new AppError('precondition_failed', detail, { headers: { etag: `"${version}"` } });
}
