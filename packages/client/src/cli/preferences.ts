import { type Preferences, type PreferencesPatch, type TaggedPreferences, type VpnAccount } from '../account.js';
import { VpnApiError } from '../errors.js';
import { CommandError, exitCodes } from './failures.js';
import { asUsageError } from './user-input.js';

/**
 * Changes the current preferences, or fails unless they have the version `ifMatch`.
 *
 * @param ifMatch a version, such as `3` or `"3"`
 * @param patchOf makes the patch from the current preferences
 * @throws {CommandError} `precondition_failed` when another device was faster: names its changes and the next step
 */
export async function changePreferences(
  account: VpnAccount,
  ifMatch: string | undefined,
  patchOf: (current: Preferences) => PreferencesPatch,
): Promise<TaggedPreferences> {
  const seen = await account.preferences();
  const etag = ifMatch === undefined ? seen.etag : `"${versionOf(ifMatch)}"`;
  const patch = patchOf(seen.preferences);
  try {
    return await asUsageError(account.changePreferences(patch, etag));
  } catch (error) {
    if (!(error instanceof VpnApiError) || error.code !== 'precondition_failed') throw error;
    throw conflictError(seen, await account.preferences(), patch, ifMatch);
  }
}

/** The version that an ETag names. */
export function versionOf(etag: string): string {
  return etag.replaceAll('"', '');
}

/** Formats a value for users. */
export function valueText(value: Preferences[keyof Preferences]): string {
  if (Array.isArray(value)) return value.join(', ') || 'none';
  return value === null ? 'not set' : String(value);
}

function conflictError(
  seen: TaggedPreferences,
  now: TaggedPreferences,
  patch: PreferencesPatch,
  ifMatch: string | undefined,
): CommandError {
  const names = Object.keys(now.preferences) as (keyof Preferences)[];
  // The given version was outdated already: what has changed since it is unknown, so name the current values.
  const isOutdated = seen.etag === now.etag;
  const differs = (name: keyof Preferences) => valueText(seen.preferences[name]) !== valueText(now.preferences[name]);
  const changes = names
    .filter((name) => (isOutdated ? name in patch : differs(name)))
    .map((name) => {
      const was = isOutdated ? '' : ` (was ${valueText(seen.preferences[name])})`;
      return `${name} is ${valueText(now.preferences[name])}${was}`;
    });
  const version = `The current version is ${versionOf(now.etag)}`;
  const next =
    ifMatch === undefined
      ? 'To apply your change anyway, run the same command again.'
      : `Check the preferences: vpn account preferences. Then use: --if-match ${versionOf(now.etag)}`;
  return new CommandError(
    `Another device has changed the preferences, so yours were not saved. ${version}${changes.length > 0 ? `: ${changes.join('; ')}` : ''}.`,
    'precondition_failed',
    exitCodes.tryLater,
    next,
  );
}
