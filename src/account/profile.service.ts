import { Injectable } from '@nestjs/common';
import { IdentityCacheService, type User, requireRecentSignIn } from '../auth/index.js';
import { TokenQuotaService } from '../auth/issuance/index.js';
import { PushDevicesStore } from '../notifications/devices/index.js';
import { self } from '../platform/audit/index.js';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type Account, type AccountPatch, type NewDevice } from './account.schema.js';
import { AccountStore } from './account.store.js';

/** Shows a user's account, and changes what the user may change. */
@Injectable()
export class ProfileService {
  constructor(
    private readonly store: AccountStore,
    private readonly devices: PushDevicesStore,
    private readonly quota: TokenQuotaService,
    private readonly identityCache: IdentityCacheService,
    private readonly clock: Clock,
  ) {}

  async show({ userId, signInProviders }: User): Promise<Account> {
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
   * Starts a change of the e-mail address: sends a link to the new address and a notification to the current one. Opening the
   * link changes the account at Firebase; the row here follows at the next sign-in. The response is the same whether the
   * address is free or belongs to another account, so that it does not reveal who has an account.
   *
   * @returns the account, still unchanged
   * @throws {AppError} `recent_sign_in_required`, `invalid_id_token`, `invalid_request` for an account without an address,
   * `rate_limited`, `identity_provider_unavailable`
   */
  async change(user: User, { email }: AccountPatch): Promise<Account> {
    const at = this.clock.now();
    requireRecentSignIn(user, at);
    const confirmed = await this.identityCache.confirm(user);
    if (confirmed.email === undefined) {
      throw new AppError('invalid_request', 'email: the account has no e-mail address to change. Add one in the app.');
    }
    const { userId } = confirmed;
    const act = { at, actor: self, action: 'account.ask_email_change', userId, reason: 'asked' };
    if (!(await this.store.requestEmailChange(act, email))) {
      throw new AppError(
        'rate_limited',
        'Too many changes of the e-mail address were requested today. Try again tomorrow.',
        {
          headers: { 'retry-after': '86400' },
        },
      );
    }
    return this.show(confirmed);
  }

  async addDevice({ userId }: User, device: NewDevice): Promise<{ id: string }> {
    return { id: await this.devices.add(userId, device, this.clock.now()) };
  }

  /** @throws {AppError} `device_not_found` */
  async removeDevice({ userId }: User, id: string): Promise<void> {
    if (await this.devices.remove(userId, id)) return;
    throw new AppError('device_not_found', 'Expected the id of one of your devices. See GET /account.');
  }
}

const dayOf = (date: Date) => date.toISOString().slice(0, 10);
