import { type Finding, type SourceKind, type Trace } from './trace.js';

/**
 * Where the adversary reads one side of a link, by the kind of source. Names are exact, without the process or store, so that a
 * new column, cache or file that links is not excused; a table stands for all that PostgreSQL keeps of its rows.
 */
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

const appendOnlyFile = 'appendonlydir/appendonly.aof.1.incr.aof';
const linesOfFile = [appendOnlyFile, `${appendOnlyFile} (line before)`];
const addressesInFile = [`${appendOnlyFile} (address)`];
const spentMarks = 'spent:* (last use)';
const identityCache = ['(order)', '[].fetchedAt', '[].checkedAt'].map(
  (part) => `LeastRecentlyUsed.entries${part.startsWith('(') ? ' ' : ''}${part}`,
);
const connections = 'network."Connection"';
const nodeColumns = ['location_id', 'public_key', 'credential_hash', 'enrolled_with', 'enrolled_at'];
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

/** Where it stands when a connection began. */
const beginningOfConnection: Places = {
  column: [`${connections}.expires_at`],
  'row order': [connections],
  'transaction id': [connections],
  'write-ahead log': [connections],
  'Redis key': [spentMarks],
  'Redis file': linesOfFile,
};

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
      'Redis file': linesOfFile,
      memory: identityCache,
    },
    right: beginningOfConnection,
    weak: ['right kind row order', `right source ${appendOnlyFile}`],
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
      'Redis file': linesOfFile,
    },
    right: beginningOfConnection,
    weak: [
      ...['left', 'right'].flatMap((side) => [`${side} kind row order`, `${side} kind Redis file`]),
      ...['left', 'right'].flatMap((side) => linesOfFile.map((name) => `${side} source ${name}`)),
    ],
  },
  {
    name: 'preferences that the server stores',
    type: 'category',
    problems: ['steady wallet', 'app opened daily', 'app opened every third day', 'new user'],
    left: {
      column: ['identity."UserPreferences".dns_blocking', 'identity."UserPreferences".default_location', combined],
    },
    right: {
      column: [
        `${connections}.dns_blocking`,
        `${connections}.node_id`,
        ...nodeColumns.map((name) => `${connections}.node_id → network."Node".${name}`),
        combined,
      ],
    },
    weak: [
      'cohort new user',
      ...nodeColumns.map((name) => `right source ${connections}.node_id → network."Node".${name}`),
    ],
  },
  {
    name: 'addresses in files that Redis writes',
    type: 'category',
    problems: everyCohort,
    left: { 'Redis file': addressesInFile },
    right: { 'Redis file': addressesInFile },
  },
];

/** Significant findings that no known link covers. */
export function unexpectedOf(significant: readonly Finding[], known: readonly KnownLink[]): Finding[] {
  return significant.filter((finding) => !known.some((link) => covers(link, finding)));
}

function covers(link: KnownLink, { problem, left, right }: Finding): boolean {
  return link.problems.includes(problem) && link.type === left.type && isAt(link.left, left) && isAt(link.right, right);
}

/** Whether the adversary reads this trace on one side of the link. */
const isAt = (places: Places, { kind, source }: Trace) => places[kind]?.includes(placeOf(source)) === true;

/** The source without the process or store, and for what PostgreSQL keeps of rows, the table. */
const placeOf = (source: string) =>
  source.replace(/^(all|gatekeeper|anonymizer|identity|network|1): |^rows written to /, '').replace(/\.xm(in|ax)$/, '');

/** The traces that a link is read from. */
export function tracesOf({ type, left, right }: KnownLink, traces: readonly Trace[]): Trace[] {
  return traces.filter((trace) => trace.type === type && (isAt(left, trace) || isAt(right, trace)));
}

/** @returns the parts of a link that none of these findings has, such as `cohort new user` */
export function partsNotFound(link: KnownLink, significant: readonly Finding[]): string[] {
  const covered = significant.filter((finding) => covers(link, finding));
  const missing = (part: string, wanted: readonly string[], has: (finding: Finding, one: string) => boolean) =>
    wanted.filter((one) => !covered.some((finding) => has(finding, one))).map((one) => `${part} ${one}`);
  const parts = [
    ...missing('cohort', link.problems, ({ problem }, one) => problem === one),
    ...(['left', 'right'] as const).flatMap((side) => [
      ...missing(`${side} kind`, Object.keys(link[side]), (finding, one) => finding[side].kind === one),
      ...missing(
        `${side} source`,
        [...new Set(Object.values(link[side]).flat())],
        (finding, one) => placeOf(finding[side].source) === one,
      ),
    ]),
  ];
  return parts.filter((part) => link.weak?.includes(part) !== true).map((part) => `${link.name}: ${part}`);
}
