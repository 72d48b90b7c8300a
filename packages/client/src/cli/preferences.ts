import { type Preferences, type PreferencesPatch, type TaggedPreferences, type VpnAccount } from '../account.js';
import { VpnApiError } from '../errors.js';
import { CommandError, exitCodes } from './failures.js';
import { asEntered } from './user-input.js';

/**
 * Changes preferences as they are now, or as `ifMatch` says they were read.
 *
 * @param ifMatch a version, such as `3` or `"3"`
 * @param patchOf what to change of what there is
 * @throws {CommandError} `precondition_failed` when another device was faster: says what it changed, and how to go on
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
    return await asEntered(account.changePreferences(patch, etag));
  } catch (error) {
    if (!(error instanceof VpnApiError) || error.code !== 'precondition_failed') throw error;
    throw overtaken(seen, await account.preferences(), patch, ifMatch);
  }
}

/** The version that an ETag names. */
export function versionOf(etag: string): string {
  return etag.replaceAll('"', '');
}

/** A value as people read and type it. */
export function valueText(value: Preferences[keyof Preferences]): string {
  if (Array.isArray(value)) return value.join(', ') || 'none';
  return value === null ? 'not set' : String(value);
}

function overtaken(
  seen: TaggedPreferences,
  now: TaggedPreferences,
  patch: PreferencesPatch,
  ifMatch: string | undefined,
): CommandError {
  const names = Object.keys(now.preferences) as (keyof Preferences)[];
  const isOld = seen.etag === now.etag;
  const differs = (name: keyof Preferences) => valueText(seen.preferences[name]) !== valueText(now.preferences[name]);
  const facts = names
    .filter((name) => (isOld ? name in patch : differs(name)))
    .map((name) => {
      const was = isOld ? '' : `, was ${valueText(seen.preferences[name])}`;
      return `${name} is ${valueText(now.preferences[name])}${was}`;
    });
  const version = `They are of version ${versionOf(now.etag)} now`;
  const next =
    ifMatch === undefined
      ? 'To set it over that, give the same command again.'
      : `See: vpn account preferences. Then name its version: --if-match ${versionOf(now.etag)}`;
  return new CommandError(
    `The preferences were changed elsewhere, and nothing was set. ${version}${facts.length > 0 ? `: ${facts.join('; ')}` : ''}.`,
    'precondition_failed',
    exitCodes.tryLater,
    next,
  );
}
