import { Pseudonyms } from '../../../src/platform/rate-limit/pseudonyms.js';
import { TrialGrants } from '../../../src/subscription/trial-grant.js';
import { query } from '../../support/stack.js';
import { type Evidence } from '../evidence.js';
import { type Device } from './device.js';
import { type Days } from './habits.js';
import { dayMs } from './service-clock.js';
import { type Stacks } from './stacks.js';

/** Everything that names a user or a connection in what is stored, as an insider with both secrets can compute it. */
export async function identifiersOf(
  devices: readonly Device[],
  stacks: Stacks,
  days: Days,
): Promise<Pick<Evidence, 'identifiers' | 'addressPseudonyms'>> {
  const identitySecret = secretOf(stacks.identity.env['IDENTITY_SECRET_KEY']);
  const networkSecret = secretOf(stacks.network.env['NETWORK_SECRET_KEY']);
  const dates: Date[] = [];
  for (let time = days.start; time <= days.end; time += dayMs) dates.push(new Date(time));
  const ids = await userIds(stacks.identity.services.ownerUrl);
  const [pseudonyms, grants] = [new Pseudonyms(identitySecret), new TrialGrants(identitySecret)];
  const ofUser = ({ uid, user: { email } }: Device) => [
    ...[uid, email, ids.get(uid) ?? ''].filter((text) => text !== ''),
    ...dates.map((date) => pseudonyms.of(uid, date)),
    ...grants.hashesOf(uid, email).map((hash) => hash.toString('hex')),
  ];
  const connections = devices.flatMap((device) => device.connections);
  const limiters = [pseudonyms, new Pseudonyms(networkSecret)];
  return {
    identifiers: {
      user: new Map(devices.flatMap((device) => ofUser(device).map((text) => [text, device.user.name]))),
      connection: new Map(
        connections.flatMap(({ id, publicKey, tokenHash, secretHash }) =>
          [id, ...[publicKey, tokenHash, secretHash].flatMap(spellingsOf)].map((text) => [text, id]),
        ),
      ),
    },
    addressPseudonyms: new Map(
      devices.flatMap(({ user: { address } }) =>
        limiters.flatMap((limiter) => dates.map((date) => [limiter.ofAddress(address, date), address])),
      ),
    ),
  };
}

function spellingsOf(bytes: Buffer): string[] {
  return (['base64', 'base64url', 'hex'] as const).map((encoding) => bytes.toString(encoding));
}

function secretOf(text = ''): Buffer {
  return Buffer.from(text, 'base64');
}

/** Ids of users by Firebase UID. */
async function userIds(ownerUrl: string): Promise<ReadonlyMap<string, string>> {
  const rows = await query<{ id: string; uid: string }>(
    ownerUrl,
    'SELECT id::text, firebase_uid AS uid FROM identity."User"',
  );
  return new Map(rows.map(({ id, uid }) => [uid, id]));
}
