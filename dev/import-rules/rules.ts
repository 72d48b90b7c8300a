import { type IRegularForbiddenRuleType } from 'dependency-cruiser';
import { sideFolders, platform, type Sides } from './sides.js';

/** Folders inside another module that have a public `index.ts` of their own. */
const submodules = [
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
const submodule = `(${submodules.join('|')})`;

const surface = ['^src/[^/]+/index\\.ts$', `^src/${submodule}/index\\.ts$`];

const allSideFolders = `^src/(${[...sideFolders.gatekeeper, ...sideFolders.anonymizer].join('|')})/`;

/** Specs run in no production process, so they may import anything, for example the issuer and the verifier together. */
const spec = '\\.spec\\.ts$';

/**
 * The import rules of ARCHITECTURE.md. They apply to types as well as to values, because a type of the other side is knowledge
 * about it. A rule's comment is printed to the developer who breaks it.
 */
export function importRules(sides: Sides): IRegularForbiddenRuleType[] {
  const gatekeeper = codeOf(sides.gatekeeper, sideFolders.gatekeeper, 'gatekeeper');
  const anonymizer = codeOf(sides.anonymizer, sideFolders.anonymizer, 'anonymizer');
  const modules = codeOf([...sides.gatekeeper, ...sides.anonymizer], [], '(gatekeeper|anonymizer)');
  const rules: IRegularForbiddenRuleType[] = [
    {
      name: 'gatekeeper-knows-no-anonymizer',
      comment:
        'Code that knows users must not know connections. Code that both sides need knows neither and is platform.',
      from: { path: gatekeeper },
      to: { path: anonymizer },
    },
    {
      name: 'anonymizer-knows-no-gatekeeper',
      comment:
        'Code that knows connections must not know users. Code that both sides need knows neither and is platform.',
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
      name: 'shared-platform-knows-no-side-folder',
      comment: 'A platform file that both sides load would give one side the private code of the other.',
      from: { path: `^src/(${platform.join('|')})/`, pathNot: [allSideFolders, '^src/prisma/migrate/', '/generated/'] },
      to: { path: allSideFolders },
    },
    {
      name: 'issuer-belongs-to-issuance',
      comment: 'Only src/auth/issuance may use the issuer to sign, because it has checked access and the quota.',
      from: { path: '^src/', pathNot: '^src/(auth/issuance|crypto/issuer)/' },
      to: { path: '^src/crypto/issuer/' },
    },
    {
      name: 'signing-in-knows-no-issuance',
      comment:
        'Every module needs sign-in, also subscription, which issuance needs. So sign-in must not import issuance.',
      from: { path: '^src/auth/', pathNot: '^src/auth/issuance/' },
      to: { path: '^src/auth/issuance/' },
    },
    {
      name: 'issuance-meets-signing-in-at-index',
      comment: 'Issuance may use only the public part of sign-in, like every module. Import ../index.js.',
      from: { path: '^src/auth/issuance/' },
      to: { path: '^src/auth/', pathNot: ['^src/auth/issuance/', '^src/auth/index\\.ts$'] },
    },
    {
      name: 'verifier-belongs-to-the-anonymizer',
      comment: 'Tokens are verified where they are spent: in the anonymizer, which knows no users.',
      from: { path: '^src/', pathNot: [...anonymizer] },
      to: { path: '^src/crypto/verifier/' },
    },
    {
      name: 'generated-clients-stay-inside',
      comment:
        'Only src/prisma/identity and src/prisma/network may import the generated clients. Import their index.js.',
      from: { pathNot: '^src/prisma/(identity|network|generated)/' },
      to: { path: 'src/prisma/generated/' },
    },
    {
      name: 'each-database-folder-has-one-client',
      comment: "The folder of one database must not import the other database's client.",
      from: { path: '^src/prisma/(identity|network)/' },
      to: { path: 'src/prisma/generated/', pathNot: 'src/prisma/generated/$1/' },
    },
    {
      name: 'modules-meet-at-index',
      comment: "Import the module's index.js. What it does not export is internal and may change.",
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/[^/]+/', pathNot: ['^src/$1/', ...surface] },
    },
    {
      name: 'others-meet-src-at-index',
      comment: "Import the module's index.js. What it does not export is internal and may change.",
      // The bench is exempt, because it measures internal parts.
      from: { path: ['^src/[^/]+\\.ts$', '^(admin|dev)/'] },
      to: { path: '^src/[^/]+/', pathNot: surface },
    },
    {
      name: 'submodules-are-imported-at-index',
      comment: 'Import the index.js of a folder that has one, also from its parent folder.',
      from: { path: '^src/([^/]+)/', pathNot: `^src/${submodule}/` },
      to: { path: `^src/${submodule}/`, pathNot: surface },
    },
    {
      name: 'submodules-meet-at-index',
      comment: "Import the folder's index.js. What it does not export is internal and may change.",
      from: { path: `^src/${submodule}/` },
      to: { path: `^src/${submodule}/`, pathNot: ['^src/$1/', ...surface] },
    },
    {
      name: 'production-stands-alone',
      comment: 'Production code must not import tools, tests, fake providers or its own client.',
      from: { path: '^(src|admin)/' },
      to: { path: '^(dev|test|bench|packages)/' },
    },
    {
      name: 'production-packages-are-dependencies',
      comment: 'A production image contains only the packages that package.json lists under dependencies.',
      from: { path: '^(src|admin)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'production-has-no-admin',
      comment: "The service must not import the operator's command.",
      from: { path: '^src/' },
      to: { path: '^admin/' },
    },
    {
      name: 'tests-know-no-bench',
      comment: 'Put code that tests and the bench share into test/support. The bench imports it from there.',
      from: { path: '^test/' },
      to: { path: '^bench/' },
    },
    {
      name: 'packages-stand-alone',
      comment: 'A package is published separately and uses the service only over HTTP.',
      from: { path: '^packages/([^/]+)/', pathNot: '^packages/[^/]+/test/' },
      to: { path: '^(src|admin|dev|test|bench|packages)/', pathNot: '^packages/$1/' },
    },
    {
      name: 'no-cycles',
      comment: 'Files must not import each other in a cycle. Move what both need into a third file.',
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
    comment: 'Test HTTP behaviour in test/<module>/. Specs beside the code test one unit.',
    from: { path: `^src/.*${spec}` },
    to: { path: '^test/support/(accounts|anonymizer|client-world|gatekeeper|notifications|payments|two-sides)\\.ts$' },
  },
];

function butSpecs(from: IRegularForbiddenRuleType['from']): IRegularForbiddenRuleType['from'] {
  return { ...from, pathNot: [from.pathNot ?? [], spec].flat() };
}

/** Patterns of all code that only one side's processes load. */
function codeOf(folders: readonly string[], platformFolders: readonly string[], module: string): string[] {
  const all = [...folders, ...platformFolders];
  return [...(all.length > 0 ? [`^src/(${all.join('|')})/`] : []), `^src/${module}\\.module\\.ts$`];
}
