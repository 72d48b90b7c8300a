import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { AnonymizerRedis } from '../platform/redis/index.js';

const withoutRedis = new Counter({
  name: 'redemptions_without_redis_total',
  help: 'Redemptions that relied on the PostgreSQL row alone because Redis did not answer.',
});

/** Deletes a mark only if it is ours. Redis runs the script as one command, so the mark cannot change in between. */
const compareAndDelete = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/** `ours`: this request or an earlier attempt of the same client set the mark. `unknown`: Redis did not answer. */
export type MarkState = 'ours' | 'another' | 'unknown';

/** Marks spent tokens in Redis: the first and faster of the two locks on a token. */
@Injectable()
export class SpentTokensStore {
  constructor(private readonly redis: AnonymizerRedis) {}

  /**
   * Marks a token as spent unless it is marked already. The expiry is absolute and the same for all tokens of a key, so the
   * remaining time to live does not reveal when the token was spent.
   *
   * @param tokenHash SHA-256 of the token
   * @param fingerprint distinguishes a retry of the same client from a spend by another client
   */
  async mark(tokenHash: Buffer, fingerprint: string, until: Date): Promise<MarkState> {
    try {
      const seconds = String(Math.ceil(until.getTime() / 1000));
      const before = await this.redis.client.call('SET', keyOf(tokenHash), fingerprint, 'NX', 'GET', 'EXAT', seconds);
      return before === null || before === fingerprint ? 'ours' : 'another';
    } catch {
      // After a timeout Redis may still have set the mark, with this client's fingerprint.
      withoutRedis.inc();
      return 'unknown';
    }
  }

  /**
   * Removes our mark. Best effort: the PostgreSQL row is the lock that counts, and a mark that stays still lets the same
   * client with the same public key retry.
   */
  async unmark(tokenHash: Buffer, fingerprint: string): Promise<void> {
    await this.redis.client.eval(compareAndDelete, 1, keyOf(tokenHash), fingerprint).catch(() => undefined);
  }
}

/** The specification's `spent:<hash(token)>`. */
const keyOf = (tokenHash: Buffer) => `spent:${tokenHash.toString('hex')}`;
