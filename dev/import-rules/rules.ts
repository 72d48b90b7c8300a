import { type IRegularForbiddenRuleType } from 'dependency-cruiser';
import { halves, platform, type Sides } from './sides.js';

/** Rooms: folders inside another that have a public `index.ts` of their own. */
const rooms = [
  'auth/issuance',
  'crypto/issuer',
  'crypto/verifier',
  'notifications/devices',
  'notifications/outbox',
  'platform/[^/]+',
  'prisma/identity',
  'prisma/migrate',
  'prisma/network',
];
const room = `(${rooms.join('|')})`;

const surface = ['^src/[^/]+/index\\.ts$', `^src/${room}/index\\.ts$`];

const allHalves = `^src/(${[...halves.gatekeeper, ...halves.anonymizer].join('|')})/`;

/** A spec is part of no process, so it may look anywhere: at the issuer and the verifier together, say. */
const spec = '\\.spec\\.ts$';

/**
 * What may import what, as ARCHITECTURE.md says it. Types count as much as values: a type that crosses is a fact that
 * crosses. A comment here is what somebody who broke the rule will read.
 */
export function importRules(sides: Sides): IRegularForbiddenRuleType[] {
  const gatekeeper = codeOf(sides.gatekeeper, halves.gatekeeper, 'gatekeeper');
  const anonymizer = codeOf(sides.anonymizer, halves.anonymizer, 'anonymizer');
  const modules = codeOf([...sides.gatekeeper, ...sides.anonymizer], [], '(gatekeeper|anonymizer)');
  const rules: IRegularForbiddenRuleType[] = [
    {
      name: 'gatekeeper-knows-no-anonymizer',
      comment: 'Whoever knows the person must not know the connection. What both need is public, and platform.',
      from: { path: gatekeeper },
      to: { path: anonymizer },
    },
    {
      name: 'anonymizer-knows-no-gatekeeper',
      comment: 'Whoever knows the connection must not know the person. What both need is public, and platform.',
      from: { path: anonymizer },
      to: { path: gatekeeper },
    },
    {
      name: 'one-file-names-both-sides',
      comment: 'Only src/app.module.ts chooses which sides a process serves.',
      from: { pathNot: ['^src/app\\.module\\.ts$', '^test/'] },
      to: { path: '^src/(gatekeeper|anonymizer)\\.module\\.ts$' },
    },
    {
      name: 'platform-knows-no-side',
      comment: 'Platform serves both sides, so it cannot depend on either. Define a port here and implement it there.',
      from: { path: `^src/(${platform.join('|')})/` },
      to: { path: modules },
    },
    {
      name: 'shared-platform-knows-no-half',
      comment: 'A platform file that both sides load would hand one the private half of the other.',
      from: { path: `^src/(${platform.join('|')})/`, pathNot: [allHalves, '^src/prisma/migrate/', '/generated/'] },
      to: { path: allHalves },
    },
    {
      name: 'issuer-belongs-to-issuance',
      comment: 'The issuer signs. Only src/auth/issuance, which has checked access and the quota, may ask it to.',
      from: { path: '^src/', pathNot: '^src/(auth/issuance|crypto/issuer)/' },
      to: { path: '^src/crypto/issuer/' },
    },
    {
      name: 'signing-in-knows-no-issuance',
      comment:
        'Every module needs signing in, subscription too; issuance needs subscription. So issuance is above both.',
      from: { path: '^src/auth/', pathNot: '^src/auth/issuance/' },
      to: { path: '^src/auth/issuance/' },
    },
    {
      name: 'issuance-meets-signing-in-at-index',
      comment: 'Issuance takes from signing in what every module may take. Import ../index.js.',
      from: { path: '^src/auth/issuance/' },
      to: { path: '^src/auth/', pathNot: ['^src/auth/issuance/', '^src/auth/index\\.ts$'] },
    },
    {
      name: 'verifier-belongs-to-the-anonymizer',
      comment: 'Tokens are verified where they are spent, and nowhere near people.',
      from: { path: '^src/', pathNot: [...anonymizer] },
      to: { path: '^src/crypto/verifier/' },
    },
    {
      name: 'generated-clients-stay-inside',
      comment: "Each database has one door: src/prisma/identity or src/prisma/network. Import that folder's index.js.",
      from: { pathNot: '^src/prisma/(identity|network|generated)/' },
      to: { path: 'src/prisma/generated/' },
    },
    {
      name: 'each-door-has-one-client',
      comment: 'The door to one database must not hold the key of the other.',
      from: { path: '^src/prisma/(identity|network)/' },
      to: { path: 'src/prisma/generated/', pathNot: 'src/prisma/generated/$1/' },
    },
    {
      name: 'modules-meet-at-index',
      comment: "Import the module's index.js; what it does not export is its own affair, free to change.",
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/[^/]+/', pathNot: ['^src/$1/', ...surface] },
    },
    {
      name: 'others-meet-src-at-index',
      comment: "Import the module's index.js; what it does not export is its own affair, free to change.",
      // Not the bench: it measures parts by themselves.
      from: { path: ['^src/[^/]+\\.ts$', '^(admin|dev)/'] },
      to: { path: '^src/[^/]+/', pathNot: surface },
    },
    {
      name: 'rooms-are-entered-at-index',
      comment: 'A folder with an index.ts of its own is entered through it, from its parent too.',
      from: { path: '^src/([^/]+)/', pathNot: `^src/${room}/` },
      to: { path: `^src/${room}/`, pathNot: surface },
    },
    {
      name: 'rooms-meet-at-index',
      comment: "Import the room's index.js; what it does not export is its own affair, free to change.",
      from: { path: `^src/${room}/` },
      to: { path: `^src/${room}/`, pathNot: ['^src/$1/', ...surface] },
    },
    {
      name: 'production-stands-alone',
      comment: 'What runs in production contains no tool, test or fake provider, and no client of itself.',
      from: { path: '^(src|admin)/' },
      to: { path: '^(dev|test|bench|packages)/' },
    },
    {
      name: 'production-packages-are-dependencies',
      comment: 'A production image holds what package.json lists under dependencies, and nothing else.',
      from: { path: '^(src|admin)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'production-has-no-admin',
      comment: "The service does not contain the operator's command.",
      from: { path: '^src/' },
      to: { path: '^admin/' },
    },
    {
      name: 'tests-know-no-bench',
      comment: 'What tests and the bench both need stands in test/support; the bench takes it from there.',
      from: { path: '^test/' },
      to: { path: '^bench/' },
    },
    {
      name: 'packages-stand-alone',
      comment: 'A package is published by itself: it speaks to the service over HTTP alone.',
      from: { path: '^packages/([^/]+)/', pathNot: '^packages/[^/]+/test/' },
      to: { path: '^(src|admin|dev|test|bench|packages)/', pathNot: '^packages/$1/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that import each other are one file; move what both need into a third.',
      from: {},
      to: { circular: true },
    },
  ];
  const forCode = rules.map((rule) => ({ ...rule, from: butSpecs(rule.from) }));
  return [...forCode, ...rulesForSpecs].map((rule) => ({ ...rule, severity: 'error' }));
}

const rulesForSpecs: IRegularForbiddenRuleType[] = [
  {
    name: 'specs-beside-code-start-no-service',
    comment: 'What a module does over HTTP is tested in test/<module>/; beside the code are tests of one unit.',
    from: { path: `^src/.*${spec}` },
    to: { path: '^test/support/(accounts|anonymizer|client-world|gatekeeper|notifications|payments|two-sides)\\.ts$' },
  },
];

function butSpecs(from: IRegularForbiddenRuleType['from']): IRegularForbiddenRuleType['from'] {
  return { ...from, pathNot: [from.pathNot ?? [], spec].flat() };
}

/** Patterns of everything that only one side's processes load. */
function codeOf(folders: readonly string[], halves: readonly string[], module: string): string[] {
  const all = [...folders, ...halves];
  return [...(all.length > 0 ? [`^src/(${all.join('|')})/`] : []), `^src/${module}\\.module\\.ts$`];
}
