import { createHash } from 'node:crypto';

const letters = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A deterministic random number generator: the same seed gives the same values in the same order. */
export class SeededRandom {
  constructor(
    readonly seed: string,
    /** The number of values drawn so far. A fake with stored state continues from here. */
    public draws = 0,
  ) {}

  /** At least 0, below 1. */
  next(): number {
    return this.bytes().readUInt32BE() / 2 ** 32;
  }

  /** At least 0, below `limit`. */
  integer(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** Letters and digits, at most 32 of them, for providers' ids. */
  text(length: number): string {
    return [...this.bytes().subarray(0, length)].map((byte) => letters[byte % letters.length]).join('');
  }

  uuid(): string {
    const bytes = this.bytes().subarray(0, 16);
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  shuffle<T>(list: readonly T[]): T[] {
    const keyed = list.map((item) => ({ item, key: this.next() }));
    return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
  }

  private bytes(): Buffer {
    return createHash('sha256').update(`${this.seed}:${this.draws++}`).digest();
  }
}
