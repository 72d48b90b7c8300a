import { Injectable } from '@nestjs/common';
import { epochTimes } from '../../crypto/index.js';
import { IssuerKeysService } from '../../crypto/issuer/index.js';
import { Clock } from '../../platform/config/index.js';
import { SubscriptionService } from '../../subscription/index.js';
import { IssuanceStore } from './issuance.store.js';

/** A user's token quota for the key that signs now. */
export interface TokenQuotaReport {
  /** 0 without access. */
  readonly dailyTokens: number;
  readonly used: number;
  readonly left: number;
  /** When the next key begins to sign and the count starts again at 0. */
  readonly resetsAt: Date;
}

/** Reports how much of the daily quota is used. Only numbers: the tokens are blinded, so this service cannot know them. */
@Injectable()
export class TokenQuotaService {
  constructor(
    private readonly subscriptions: SubscriptionService,
    private readonly keys: IssuerKeysService,
    private readonly store: IssuanceStore,
    private readonly clock: Clock,
  ) {}

  async of(userId: string): Promise<TokenQuotaReport> {
    const key = this.keys.signingKey();
    const [entitlement, used] = await Promise.all([
      this.subscriptions.entitlementOf(userId, this.clock.now()),
      this.store.countedSoFar(userId, key.keyId),
    ]);
    const dailyTokens = entitlement?.dailyTokens ?? 0;
    return { dailyTokens, used, left: Math.max(0, dailyTokens - used), resetsAt: epochTimes(key.epoch + 1).notBefore };
  }
}
