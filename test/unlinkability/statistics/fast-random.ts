import { createHash } from 'node:crypto';

/**
 * A deterministic random number generator (sfc32 of PractRand, seeded with SHA-256). The `SeededRandom` of the fake providers
 * hashes for each value: a run draws ten million values, which would take it 15 seconds, and this one a tenth of a second.
 */
export class FastRandom {
  private readonly state: Int32Array;

  constructor(seed: string) {
    const hash = createHash('sha256').update(seed).digest();
    this.state = Int32Array.from([0, 4, 8, 12], (offset) => hash.readInt32LE(offset));
  }

  /** At least 0, below `limit`, which is below 2^32. */
  integer(limit: number): number {
    return Math.floor((this.bits() / 2 ** 32) * limit);
  }

  /** Shuffles in place, each order being equally likely. */
  shuffle<List extends Uint16Array | unknown[]>(list: List): List {
    for (let last = list.length - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      const kept = list[last];
      list[last] = list[other];
      list[other] = kept;
    }
    return list;
  }

  private bits(): number {
    const { state } = this;
    const [a, b, c, counter] = [state[0]!, state[1]!, state[2]!, state[3]!];
    const sum = (a + b + counter) | 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    state[3] = counter + 1;
    return sum >>> 0;
  }
}
