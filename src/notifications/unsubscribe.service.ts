import { Inject, Injectable } from '@nestjs/common';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { PreferencesService } from '../preferences/index.js';
import { NotificationKeys, type Unsubscription } from './notification-keys.js';
import { confirmPage, donePage } from './unsubscribe-pages.js';

/** Turns a kind of mail off for whoever holds the mail. */
@Injectable()
export class UnsubscribeService {
  private readonly keys: NotificationKeys;

  constructor(
    @Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig,
    private readonly preferences: PreferencesService,
  ) {
    this.keys = new NotificationKeys(config.secretKey);
  }

  /** Changes nothing: whatever checks the links of a mail opens them. @throws {AppError} `invalid_request` */
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
    const found = this.keys.open(token);
    if (found !== undefined) return found;
    throw new AppError('invalid_request', 'token: expected the whole address that the mail has.');
  }
}
