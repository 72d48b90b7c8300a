import { Injectable } from '@nestjs/common';
import {
  FirebaseClient,
  FirebaseRefusal,
  Forgetting,
  People,
  type Person,
  providerProblem,
  requireRecentSignIn,
  TokenQuota,
} from '../auth/index.js';
import { Clock } from '../config/index.js';
import { AppError } from '../http/index.js';
import { self } from '../prisma/identity/index.js';
import { type Account, type AccountPatch, type NewDevice } from './account.schema.js';
import { AccountStore } from './account.store.js';

/** What is shown of an account, and what its owner may change of it. */
@Injectable()
export class Profiles {
  constructor(
    private readonly store: AccountStore,
    private readonly quota: TokenQuota,
    private readonly firebase: FirebaseClient,
    private readonly people: People,
    private readonly forgetting: Forgetting,
    private readonly clock: Clock,
  ) {}

  async show({ userId, signInProviders }: Person): Promise<Account> {
    const [row, quota] = await Promise.all([this.store.find(userId), this.quota.of(userId)]);
    if (row === undefined) throw new AppError('invalid_id_token', 'The account no longer exists.');
    return {
      email: row.email,
      emailVerified: row.emailVerified,
      createdOn: dayOf(row.createdOn),
      signInProviders: [...signInProviders],
      devices: row.devices.map(({ id, platform, registeredOn }) => {
        return { id, platform: platform as NewDevice['platform'], registeredOn: dayOf(registeredOn) };
      }),
      tokens: { ...quota, resetsAt: quota.resetsAt.toISOString() },
    };
  }

  /**
   * Gives the account another address at Firebase, and takes it from there.
   *
   * @throws {AppError} `recent_sign_in_required`, `email_in_use`, `invalid_request`, `identity_provider_unavailable`
   */
  async change(person: Person, { email }: AccountPatch): Promise<Account> {
    const at = this.clock.now();
    requireRecentSignIn(person, at);
    const { firebaseUid, userId } = person;
    await this.firebase.changeEmail(firebaseUid, email).catch((error: unknown) => {
      throw error instanceof FirebaseRefusal ? refusals[error.reason]() : providerProblem(error);
    });
    await this.forgetting.forget(firebaseUid);
    const changed = await this.people.confirm(person);
    await this.store.record({ at, actor: self, action: 'account.change_email', userId, reason: 'asked' });
    return this.show(changed);
  }

  async addDevice({ userId }: Person, device: NewDevice): Promise<{ id: string }> {
    return { id: await this.store.addDevice(userId, device, this.clock.now()) };
  }

  /** @throws {AppError} `device_not_found` */
  async removeDevice({ userId }: Person, id: string): Promise<void> {
    if (await this.store.removeDevice(userId, id)) return;
    throw new AppError('device_not_found', 'You have no such device: see GET /account.');
  }
}

const dayOf = (date: Date) => date.toISOString().slice(0, 10);

const refusals: Readonly<Record<FirebaseRefusal['reason'], () => AppError>> = {
  email_in_use: () =>
    new AppError('email_in_use', 'Another account has this address. Sign in to that, or name another.'),
  invalid_email: () => new AppError('invalid_request', 'email: expected an address that Firebase takes.'),
  no_such_account: () => new AppError('invalid_id_token', 'The account no longer exists.'),
};
