import { type Finding, type SourceKind, type Trace } from './trace.js';

/** Where the adversary reads one side of a link. */
export interface Place {
  readonly kinds: readonly SourceKind[];
  /** Tables, columns or files: parts of the names of sources. */
  readonly names: readonly string[];
}

/** A way to link that is known and not mended yet. The threat model prints each with its measured accuracy. */
export interface KnownLink {
  readonly name: string;
  readonly type: Trace['type'];
  /** The cohorts that it links. */
  readonly problems: readonly string[];
  /** The user's side; for renewals, the side of the older connection. */
  readonly left: Place;
  /** The connection's side. */
  readonly right: Place;
}

const appendOnlyFile = 'appendonly.aof';
const spentMarks = 'spent:*';
const connections = 'network."Connection"';

const everyCohort = [
  'steady wallet',
  'quick start',
  'app opened daily',
  'app opened every third day',
  'new user',
  'renewed connection',
];

/**
 * The links that the adversary finds today. Any other link fails the run, and so does a part of an entry that is no longer found:
 * this list only shrinks. Tables are named one by one, so that a new table or column that links is not excused.
 */
export const knownLinks: readonly KnownLink[] = [
  {
    name: 'times and order of what users did',
    type: 'ordered',
    problems: ['quick start', 'app opened daily', 'app opened every third day', 'new user'],
    left: {
      kinds: ['column', 'row order', 'transaction id', 'write-ahead log', 'Redis file', 'memory'],
      names: [
        'identity."Notification"',
        'identity."NotificationDelivery"',
        'identity."Subscription"',
        'identity."SubscriptionEvent"',
        'identity."TokenIssuance"',
        'identity."TrialGrant"',
        'identity."User"',
        'identity."UserPreferences"',
        appendOnlyFile,
      ],
    },
    right: {
      kinds: ['column', 'row order', 'transaction id', 'write-ahead log', 'Redis key', 'Redis file'],
      names: [connections, spentMarks, appendOnlyFile],
    },
  },
  {
    name: 'an old connection and the one that replaces it',
    type: 'ordered',
    problems: ['renewed connection'],
    left: { kinds: ['transaction id', 'write-ahead log', 'Redis key'], names: [connections, spentMarks] },
    right: {
      kinds: ['column', 'transaction id', 'write-ahead log', 'Redis key'],
      names: [connections, spentMarks, appendOnlyFile],
    },
  },
  {
    name: 'preferences that the server stores',
    type: 'category',
    problems: everyCohort.filter((name) => !['quick start', 'renewed connection'].includes(name)),
    left: {
      kinds: ['column'],
      names: [
        'identity."UserPreferences".dns_blocking',
        'identity."UserPreferences".default_location',
        'all categories',
      ],
    },
    right: { kinds: ['column'], names: [`${connections}.dns_blocking`, `${connections}.node_id`, 'all categories'] },
  },
  {
    name: 'addresses in files that Redis writes',
    type: 'category',
    problems: everyCohort,
    left: { kinds: ['Redis file'], names: [`${appendOnlyFile}`] },
    right: { kinds: ['Redis file'], names: [`${appendOnlyFile}`] },
  },
];

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
  return link.problems.includes(problem) && link.type === left.type && isAt(link.left, left) && isAt(link.right, right);
}

const isAt = ({ kinds, names }: Place, { kind, source }: Trace) =>
  kinds.includes(kind) && names.some((name) => source.includes(name));

function partsNotFound(link: KnownLink, significant: readonly Finding[]): string[] {
  const covered = significant.filter((finding) => covers(link, finding));
  const missing = (part: string, wanted: readonly string[], has: (finding: Finding, one: string) => boolean) =>
    wanted.filter((one) => !covered.some((finding) => has(finding, one))).map((one) => `${link.name}: ${part} ${one}`);
  return [
    ...missing('cohort', link.problems, ({ problem }, one) => problem === one),
    ...(['left', 'right'] as const).flatMap((side) => [
      ...missing(`${side} kind`, link[side].kinds, (finding, one) => finding[side].kind === one),
      ...missing(`${side} name`, link[side].names, (finding, one) => finding[side].source.includes(one)),
    ]),
  ];
}
