import { type Finding, type SourceKind, type Trace } from './trace.js';

/** Where the adversary reads one side of a link: parts of the names of sources, by their kind. */
type Places = Partial<Readonly<Record<SourceKind, readonly string[]>>>;

/** A way to link that is known and not closed yet. The threat model's tables show the shares, by source. */
export interface KnownLink {
  readonly name: string;
  readonly type: Trace['type'];
  /** The cohorts that it links. */
  readonly problems: readonly string[];
  /** The user's side; for renewals, the side of the older connection. */
  readonly left: Places;
  /** The connection's side. */
  readonly right: Places;
  /** Parts that are too weak to be found in every population of this size. All others must be found in each run. */
  readonly weak?: readonly string[];
}

const appendOnlyFile = 'appendonly.aof';
const spentMarks = 'spent:*';
const connections = 'network."Connection"';
const combined = 'all categories';

const userTables = [
  'identity."Notification"',
  'identity."NotificationDelivery"',
  'identity."Subscription"',
  'identity."SubscriptionEvent"',
  'identity."TokenIssuance"',
  'identity."TrialGrant"',
  'identity."User"',
  'identity."UserPreferences"',
];

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
 * this list only shrinks. Tables and columns are named one by one, so that a new one that links is not excused.
 */
export const knownLinks: readonly KnownLink[] = [
  {
    name: 'times and order of what users did',
    type: 'ordered',
    problems: ['quick start', 'app opened daily', 'app opened every third day', 'new user'],
    left: {
      column: [
        'identity."Notification".caused_at',
        'identity."Notification".id',
        'identity."NotificationDelivery".due_at',
        'identity."NotificationDelivery".id',
        'identity."NotificationDelivery".notification_id',
        'identity."Subscription".paid_through',
        'identity."SubscriptionEvent".at',
        'identity."SubscriptionEvent".id',
        'identity."SubscriptionEvent".until',
      ],
      'row order': userTables,
      'transaction id': userTables,
      'write-ahead log': userTables,
      'Redis file': [appendOnlyFile],
      memory: ['LeastRecentlyUsed.entries'],
    },
    right: {
      column: [`${connections}.expires_at`],
      'row order': [connections],
      'transaction id': [connections],
      'write-ahead log': [connections],
      'Redis key': [spentMarks],
      'Redis file': [appendOnlyFile],
    },
  },
  {
    name: 'an old connection and the one that replaces it',
    type: 'ordered',
    problems: ['renewed connection'],
    left: {
      'row order': [connections],
      'transaction id': [connections],
      'write-ahead log': [connections],
      'Redis key': [spentMarks],
      'Redis file': [appendOnlyFile],
    },
    right: {
      column: [`${connections}.expires_at`],
      'row order': [connections],
      'transaction id': [connections],
      'write-ahead log': [connections],
      'Redis key': [spentMarks],
      'Redis file': [appendOnlyFile],
    },
    weak: ['row order', 'Redis file', appendOnlyFile],
  },
  {
    name: 'preferences that the server stores',
    type: 'category',
    problems: ['steady wallet', 'app opened daily', 'app opened every third day', 'new user'],
    left: {
      column: ['identity."UserPreferences".dns_blocking', 'identity."UserPreferences".default_location', combined],
    },
    right: { column: [`${connections}.dns_blocking`, `${connections}.node_id`, combined] },
  },
  {
    name: 'addresses in files that Redis writes',
    type: 'category',
    problems: everyCohort,
    left: { 'Redis file': [appendOnlyFile] },
    right: { 'Redis file': [appendOnlyFile] },
  },
];

export interface Comparison {
  /** Significant findings that no known link covers. */
  readonly unexpected: readonly Finding[];
  /** Parts of known links that no significant finding has: they are closed, and must leave the list. */
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

const isAt = (places: Places, { kind, source }: Trace) => places[kind]?.some((name) => source.includes(name)) === true;

function partsNotFound(link: KnownLink, significant: readonly Finding[]): string[] {
  const covered = significant.filter((finding) => covers(link, finding));
  const missing = (part: string, wanted: readonly string[], has: (finding: Finding, one: string) => boolean) =>
    wanted
      .filter((one) => link.weak?.includes(one) !== true && !covered.some((finding) => has(finding, one)))
      .map((one) => `${link.name}: ${part} ${one}`);
  return [
    ...missing('cohort', link.problems, ({ problem }, one) => problem === one),
    ...(['left', 'right'] as const).flatMap((side) => [
      ...missing(`${side} kind`, Object.keys(link[side]), (finding, one) => finding[side].kind === one),
      ...missing(`${side} source`, [...new Set(Object.values(link[side]).flat())], (finding, one) =>
        finding[side].source.includes(one),
      ),
    ]),
  ];
}
