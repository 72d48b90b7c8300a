import { type Finding, type SourceKind, type Trace } from './trace.js';

/** A way to link that is known and not mended yet. The threat model prints each with its measured accuracy. */
export interface KnownLink {
  /** A row of the threat model. */
  readonly name: string;
  readonly type: Trace['type'];
  /** The cohorts that it links. */
  readonly problems: readonly string[];
  /** Where the adversary reads the user's side (for renewals: the older connection's). */
  readonly left: readonly SourceKind[];
  /** Where the adversary reads the connection's side. */
  readonly right: readonly SourceKind[];
}

/**
 * The links that the adversary finds today. Any other link fails the run, and so does an entry that is no longer found: this
 * list only shrinks.
 */
export const knownLinks: readonly KnownLink[] = [];

export interface Comparison {
  /** Significant findings that no known link covers. */
  readonly unexpected: readonly Finding[];
  /** Parts of known links that no significant finding has: they are mended, and must leave the list. */
  readonly notFound: readonly string[];
}

/** Compares what the adversary found with the list. */
export function compareWithKnown(significant: readonly Finding[], known: readonly KnownLink[]): Comparison {
  return {
    unexpected: significant.filter((finding) => !known.some((link) => covers(link, finding))),
    notFound: known.flatMap((link) => partsNotFound(link, significant)),
  };
}

function covers(link: KnownLink, { problem, left, right }: Finding): boolean {
  return (
    link.problems.includes(problem) &&
    link.type === left.type &&
    link.left.includes(left.kind) &&
    link.right.includes(right.kind)
  );
}

function partsNotFound(link: KnownLink, significant: readonly Finding[]): string[] {
  const covered = significant.filter((finding) => covers(link, finding));
  const missing = (part: string, wanted: readonly string[], found: (finding: Finding) => string) =>
    wanted
      .filter((one) => !covered.some((finding) => found(finding) === one))
      .map((one) => `${link.name}: ${part} ${one}`);
  return [
    ...missing('cohort', link.problems, ({ problem }) => problem),
    ...missing('left source', link.left, ({ left }) => left.kind),
    ...missing('right source', link.right, ({ right }) => right.kind),
  ];
}
