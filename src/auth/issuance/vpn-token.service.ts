import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { encodeBase64url, epochTimes, parseTokenRequest } from '../../crypto/index.js';
import { IssuerKeysService, type SigningKey } from '../../crypto/issuer/index.js';
import { Clock } from '../../platform/config/index.js';
import { AppError } from '../../platform/errors/index.js';
import { type Entitlement, SubscriptionService } from '../../subscription/index.js';
import { type User } from '../index.js';
import { IssuanceStore } from './issuance.store.js';
import { type VpnTokenRequest, type VpnTokenResponse } from './vpn-token.schema.js';

/**
 * Signs blinded tokens for users with access. It checks in this order, so that a refused token is never counted: access, key,
 * messages, quota; then it signs. A crash after the quota step costs the user nothing: the same message is signed again for
 * free.
 *
 * The response depends only on the key and the blinded messages, never on the user.
 */
@Injectable()
export class VpnTokenService {
  constructor(
    private readonly subscriptions: SubscriptionService,
    private readonly keys: IssuerKeysService,
    private readonly store: IssuanceStore,
    private readonly clock: Clock,
  ) {}

  /**
   * @throws {AppError} `subscription_inactive`, `key_retired`, `invalid_token_request`, `token_quota_exceeded`
   */
  async issue(user: User, { blindedToken, blindedTokens, keyId }: VpnTokenRequest): Promise<VpnTokenResponse> {
    const entitlement = await this.entitlementOf(user);
    const key = this.keyNamed(keyId);
    const messages = blindedTokens ?? (blindedToken === undefined ? [] : [blindedToken]);
    const signatures = await this.sign(user, entitlement, key, messages);
    const common = {
      keyId: encodeBase64url(key.keyId),
      expiry: '24h',
      expiresAt: key.verifyUntil.toISOString(),
    } as const;
    if (blindedTokens !== undefined) return { signatures: signatures.map(encodeBase64url), ...common };
    return { signature: signatures.map(encodeBase64url).join(''), ...common };
  }

  /**
   * Answers a TokenRequest with a TokenResponse (RFC 9578 §6.1, §6.2): 259 bytes in, 256 bytes out.
   *
   * @throws {AppError} as `issue`; any fault of the request itself is `invalid_token_request`
   */
  async issueBinary(user: User, body: Buffer): Promise<Buffer> {
    const entitlement = await this.entitlementOf(user);
    const request = parseTokenRequest(body);
    if (request === undefined)
      throw invalidTokenRequest('Expected 259 bytes: type 0x0002, key id byte, blinded message.');
    const key = this.keys.keyForTruncated(request.truncatedKeyId);
    if (key === undefined) throw invalidTokenRequest('No signing key has this id. Fetch the issuer directory again.');
    return Buffer.concat(await this.sign(user, entitlement, key, [request.blindedMessage]));
  }

  private async entitlementOf({ userId }: User): Promise<Entitlement> {
    const entitlement = await this.subscriptions.entitlementOf(userId, this.clock.now());
    if (entitlement !== undefined) return entitlement;
    throw new AppError('subscription_inactive', 'Tokens need an active subscription or trial. See GET /subscription.');
  }

  private keyNamed(keyId: Buffer | undefined): SigningKey {
    const key = keyId === undefined ? this.keys.signingKey() : this.keys.keyFor(keyId);
    if (key !== undefined) return key;
    throw new AppError(
      'key_retired',
      'This key does not sign tokens now. Fetch the issuer directory and blind the tokens for the current key.',
    );
  }

  private async sign(
    user: User,
    entitlement: Entitlement,
    key: SigningKey,
    messages: readonly Buffer[],
  ): Promise<Buffer[]> {
    if (messages.some((message) => key.refusalOf(message) !== undefined)) {
      throw invalidTokenRequest(
        'Expected each blinded token to be a number between 2 and n - 2, where n is the modulus of the key.',
      );
    }
    await this.spendQuota(user, entitlement, key, messages);
    const signatures: Buffer[] = [];
    for (const message of messages) {
      // A batch occupies this thread for about 10 ms. Yield, so that other requests run between the signatures.
      if (signatures.length > 0) await setImmediate();
      signatures.push(key.blindSign(message));
    }
    return signatures;
  }

  private async spendQuota(
    { userId }: User,
    { planId, dailyTokens }: Entitlement,
    key: SigningKey,
    messages: readonly Buffer[],
  ): Promise<void> {
    const hashes = messages.map((message) => createHash('sha256').update(message).digest());
    if (await this.store.countAgainstQuota({ userId, keyId: key.keyId, planId, hashes }, dailyTokens)) return;
    const remaining = Math.max(0, dailyTokens - (await this.store.countedSoFar(userId, key.keyId)));
    // The key of the next epoch has its own quota.
    const resetsAt = epochTimes(key.epoch + 1).notBefore;
    const seconds = Math.max(1, Math.ceil((resetsAt.getTime() - this.clock.now().getTime()) / 1000));
    throw new AppError(
      'token_quota_exceeded',
      `${remaining} of ${dailyTokens} tokens are left for this key. Request fewer, or wait for the next key.`,
      {
        headers: { 'retry-after': String(seconds) },
        extras: { remaining, resetsAt: resetsAt.toISOString() },
      },
    );
  }
}

function invalidTokenRequest(detail: string): AppError {
  return new AppError('invalid_token_request', detail);
}
