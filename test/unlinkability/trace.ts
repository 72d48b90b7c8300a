/**
 * What the adversary works with. A *trace* is one thing that the service leaves behind, such as a column, the order of the rows
 * of a table, or the commit times in the write-ahead log. It gives each user, or each connection, the values found for it.
 */

/** The things that the adversary tries to tie together: users (`user-17`) and connections (by their connection id). */
export type EntityKind = 'user' | 'connection';

/** Where a trace was found, as the threat model lists it. */
export type SourceKind =
  | 'column'
  | 'row order'
  | 'transaction id'
  | 'write-ahead log'
  | 'Redis key'
  | 'Redis file'
  | 'log'
  | 'metrics'
  | 'memory';

interface TraceBase {
  readonly of: EntityKind;
  readonly kind: SourceKind;
  /** Names the source exactly, such as `network."Connection".expires_at`. */
  readonly source: string;
}

/** Numbers with an order: times, transaction ids, positions in a file. */
export interface OrderedTrace extends TraceBase {
  readonly type: 'ordered';
  /**
   * Differences between values mean something only on one scale: `time` (Unix milliseconds of the service's clock),
   * `xid of <cluster>`, `position in <file>`. Two traces of different scales are compared by rank alone.
   */
  readonly scale: string;
  /** At least one value for each entity that has the trace. */
  readonly values: ReadonlyMap<string, readonly number[]>;
}

/** Values without an order: a location, a setting, a keyed hash. */
export interface CategoryTrace extends TraceBase {
  readonly type: 'category';
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export type Trace = OrderedTrace | CategoryTrace;

/** A question that the adversary answers: whose is each of these connections? */
export interface Problem {
  /** The cohort, such as `new user`. */
  readonly name: string;
  /** What the answers are: users; or connections, when renewals are chained. */
  readonly left: EntityKind;
  /** The right answer for each connection that is asked about. */
  readonly truth: ReadonlyMap<string, string>;
  /** Everything that the adversary chooses from; holds every right answer. */
  readonly candidates: readonly string[];
  /**
   * The class of each right answer. What is public (the day) may tell classes apart, but nothing may tell their members apart:
   * the null distribution permutes within a class.
   */
  readonly classes: ReadonlyMap<string, string>;
}

/** How much one matcher finds out from one pair of traces. */
export interface Finding {
  readonly problem: string;
  readonly left: Trace;
  readonly right: Trace;
  readonly matcher: string;
  /** Connections whose best guess is right, of all that were asked about. */
  readonly hits: number;
  readonly asked: number;
  /** The hits that permuted truths give on average. */
  readonly chance: number;
  /** Probability that a true pair scores higher than another pair of its class: 0.5 is chance. */
  readonly auc: number;
  /** Family-wise p-value (Westfall–Young) over all findings of the run. */
  readonly p: number;
}
