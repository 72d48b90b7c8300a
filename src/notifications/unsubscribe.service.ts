import { Inject, Injectable } from '@nestjs/common';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { PreferencesService } from '../preferences/index.js';
import { NotificationKeys, type Unsubscription } from './notification-keys.js';
import { confirmPage, donePage } from './unsubscribe-pages.js';

/** Turns off one kind of mail. The link in the mail is the only credential: the user need not be signed in. */
@Injectable()
export class UnsubscribeService {
  private readonly keys: NotificationKeys;

  constructor(
    @Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig,
    private readonly preferences: PreferencesService,
  ) {
    this.keys = new NotificationKeys(config.secretKey);
  }

  /** Changes nothing, because mail scanners open the links in a mail. @throws {AppError} `invalid_request` */
  page(token: string): string {
    return confirmPage(this.read(token).kind);
  }

  /** @throws {AppError} `invalid_request` */
  async unsubscribe(token: string): Promise<string> {
    const { userId, kind } = this.read(token);
    await this.preferences.stopMailing(userId, kind);
    return donePage(kind);
  }

  private read(token: string): Unsubscription {
    const unsubscription = this.keys.open(token);
    if (unsubscription !== undefined) return unsubscription;
    throw new AppError('invalid_request', 'This unsubscribe link is not valid. Open the whole link from the mail.');
  }
}
