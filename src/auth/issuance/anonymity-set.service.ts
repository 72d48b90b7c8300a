import { Injectable } from '@nestjs/common';
import { encodeBase64url } from '../../crypto/index.js';
import { IssuerKeysService } from '../../crypto/issuer/index.js';
import { GatekeeperLogger } from '../../logger/index.js';
import { Background, Repeater } from '../../platform/background/index.js';
import { Clock } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { type AnonymitySetReport } from './anonymity-set.schema.js';
import { IssuanceStatisticsStore } from './issuance-statistics.store.js';

const hourMs = 3_600_000;
/** Counting starts after the full hour, so that a timer that fires early does not count in the hour before. */
const offsetMs = 1_000;
const retryMs = 60_000;

/**
 * Reports how many tokens the current key has signed, so that a client can wait for a larger anonymity set before it spends
 * a token.
 *
 * Every replica counts at its start and on every full hour, never on request. So an observer who asks before and after a token
 * is signed sees no difference between two counts.
 */
@Injectable()
export class AnonymitySetService {
  private lastCount: AnonymitySetReport | undefined;

  constructor(
    private readonly store: IssuanceStatisticsStore,
    private readonly keys: IssuerKeysService,
    private readonly clock: Clock,
    logger: GatekeeperLogger,
    background: Background,
  ) {
    const repeater = new Repeater({
      waitMs: (hasFailed) => (hasFailed ? retryMs : hourMs + offsetMs - (clock.now().getTime() % hourMs)),
      run: () => this.refresh(),
      onFailure: (error) => logger.error('anonymity_set_not_counted', error),
      atStart: true,
    });
    background.add(repeater);
  }

  /** @throws {AppError} `unavailable` until the first count */
  report(): AnonymitySetReport {
    const keyId = encodeBase64url(this.keys.signingKey().keyId);
    if (this.lastCount === undefined)
      throw new AppError('unavailable', 'The anonymity set has not been counted yet. Try again in a minute.');
    // If the last count was of another key, this key had not signed any token then.
    return this.lastCount.keyId === keyId ? this.lastCount : { keyId, tokens: '<20', asOf: this.lastCount.asOf };
  }

  async refresh(): Promise<void> {
    const { keyId } = this.keys.signingKey();
    const asOf = this.clock.now().toISOString();
    this.lastCount = { keyId: encodeBase64url(keyId), tokens: rounded(await this.store.signedBy(keyId)), asOf };
  }
}

/** To two significant digits; "<20" below 20. */
export function rounded(tokens: number): AnonymitySetReport['tokens'] {
  return tokens < 20 ? '<20' : Number(tokens.toPrecision(2));
}
