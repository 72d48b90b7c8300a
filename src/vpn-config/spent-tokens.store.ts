import { Injectable } from '@nestjs/common';
import { Counter } from 'prom-client';
import { AnonymizerRedis } from '../platform/redis/index.js';

const withoutRedis = new Counter({
  name: 'redemptions_without_redis_total',
  help: "Redemptions that went on with PostgreSQL's lock alone, because Redis did not answer.",
});

/** Deletes a mark only while it is ours: one command for Redis, so nothing comes between the look and the deed. */
const compareAndDelete = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/** What the mark said: it is ours by now, or somebody spent the token before us, or Redis does not answer. */
export type Mark = 'ours' | 'another' | 'unknown';

/** The marks of spent tokens: the first and fast of the two locks on a token. */
@Injectable()
export class SpentTokensStore {
  constructor(private readonly redis: AnonymizerRedis) {}

  /**
   * Marks a token as spent unless it is. The end is absolute and the same for all tokens of a key, so what is left of it
   * does not tell when the token was spent.
   *
   * @param tokenHash SHA-256 of the token
   * @param fingerprint tells the same client's retry from another's spend
   */
  async mark(tokenHash: Buffer, fingerprint: string, until: Date): Promise<Mark> {
    try {
      const seconds = String(Math.ceil(until.getTime() / 1000));
      const before = await this.redis.client.call('SET', keyOf(tokenHash), fingerprint, 'NX', 'GET', 'EXAT', seconds);
      return before === null || before === fingerprint ? 'ours' : 'another';
    } catch {
      // Also when it was slow: the mark may be set then, and is ours if so.
      withoutRedis.inc();
      return 'unknown';
    }
  }

  /**
   * Takes our mark back. Best effort: PostgreSQL's row is the lock that holds, and a mark left behind still lets the same
   * client with the same public key through.
   */
  async unmark(tokenHash: Buffer, fingerprint: string): Promise<void> {
    await this.redis.client.eval(compareAndDelete, 1, keyOf(tokenHash), fingerprint).catch(() => undefined);
  }
}

/** The specification's `spent:<hash(token)>`. */
const keyOf = (tokenHash: Buffer) => `spent:${tokenHash.toString('hex')}`;
