import { type Trace } from '../trace.js';
import { type Scorer } from './ordered-matchers.js';

/** One matcher, tried on one pair of traces. */
export interface Attempt {
  readonly left: Trace;
  readonly right: Trace;
  readonly matcher: string;
  /** The same for all attempts of a problem that compute the same. Many tables are written in one transaction, at one time. */
  readonly computation: string;
  /** Learns on the true pairs of one half of the users, and is judged on the other. */
  readonly learns: boolean;
  readonly scorer: () => Scorer;
}
