import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkImports } from '../../dev/import-rules/check.js';

type Files = Readonly<Record<string, string>>;

/** A small tree with every kind of folder, which violates no rule. */
const clean: Files = {
  'src/app.module.ts': "import './gatekeeper.module.js';\nimport './anonymizer.module.js';",
  'src/gatekeeper.module.ts':
    "import './prisma/identity/index.js';\nimport './auth/index.js';\nimport './auth/issuance/index.js';\nimport './account/index.js';",
  'src/anonymizer.module.ts':
    "import './prisma/network/index.js';\nimport './crypto/verifier/index.js';\nimport './nodes/index.js';\nimport './vpn-config/index.js';",
  'src/auth/index.ts':
    "import { GatekeeperRedis } from '../platform/redis/index.js';\nexport const auth = GatekeeperRedis;\nexport type Person = string;",
  'src/auth/auth.service.ts': 'export const service = 1;',
  'src/auth/issuance/index.ts':
    "import { auth } from '../index.js';\nimport { quota } from './quota.js';\nimport { issuer } from '../../crypto/issuer/index.js';\nexport const issuance = [auth, quota, issuer];\nexport type Quota = number;",
  'src/auth/issuance/quota.ts': 'export const quota = 1;',
  'src/account/index.ts':
    "import { auth } from '../auth/index.js';\nimport { issuance } from '../auth/issuance/index.js';\nimport { store } from './account.store.js';\nexport const account = [auth, issuance, store];",
  'src/account/account.store.ts': "export { identity as store } from '../prisma/identity/index.js';",
  'src/nodes/index.ts':
    "import { network } from '../prisma/network/index.js';\nimport { AnonymizerRedis } from '../platform/redis/index.js';\nexport const nodes = [network, AnonymizerRedis];\nexport type NodeId = string;",
  'src/vpn-config/index.ts':
    "import { nodes } from '../nodes/index.js';\nimport { verifier } from '../crypto/verifier/index.js';\nexport const config = [nodes, verifier];",
  'src/platform/config/index.ts': 'export const GATEKEEPER_CONFIG = 1;\nexport const ANONYMIZER_CONFIG = 2;',
  'src/platform/redis/index.ts':
    "import { GATEKEEPER_CONFIG, ANONYMIZER_CONFIG } from '../config/index.js';\nexport const GatekeeperRedis = GATEKEEPER_CONFIG;\nexport const AnonymizerRedis = ANONYMIZER_CONFIG;",
  'src/crypto/index.ts': 'export const token = 1;',
  'src/crypto/issuer/index.ts':
    "import { token } from '../index.js';\nimport { identity } from '../../prisma/identity/index.js';\nexport const issuer = [token, identity];",
  'src/crypto/verifier/index.ts':
    "import { network } from '../../prisma/network/index.js';\nexport const verifier = network;",
  'src/prisma/adapter.ts': 'export const adapter = 1;',
  'src/prisma/identity/index.ts': "export { client as identity } from '../generated/identity/client.js';",
  'src/prisma/network/index.ts': "export { client as network } from '../generated/network/client.js';",
  'src/prisma/generated/identity/client.ts': 'export const client = 1;',
  'src/prisma/generated/network/client.ts': 'export const client = 1;',
  'admin/main.ts': "import { nodes } from '../src/nodes/index.js';\nexport const list = nodes;",
  'dev/start.ts': 'export const start = 1;',
  'src/crypto/issuer/issuer.spec.ts': "import '../verifier/index.js';\nimport '../../nodes/index.js';",
  'packages/client/src/index.ts': 'export const client = 1;',
  'packages/node-agent/src/index.ts': 'export const agent = 1;',
};

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'imports-')));
});

afterEach(() => rmSync(root, { recursive: true }));

async function rulesBrokenIn(planted: Files): Promise<string[]> {
  for (const [file, text] of Object.entries({ ...clean, ...planted })) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), `${text}\n`);
  }
  const violations = await checkImports(root);
  return violations.map(({ rule, from }) => `${rule}: ${from}`);
}

/** A file with one line that violates a rule. */
const plant = (file: string, line: string): Files => ({ [file]: `${clean[file] ?? ''}\n${line}` });

describe('the import rules', () => {
  it('find no violation in this project', async () => {
    expect(await checkImports(process.cwd())).toEqual([]);
  });

  it('find no violation in the tree that violations are added to', async () => {
    expect(await rulesBrokenIn({})).toEqual([]);
  });

  it.each<[rule: string, Files]>([
    [
      'gatekeeper-knows-no-anonymizer: src/auth/auth.service.ts',
      plant('src/auth/auth.service.ts', "export { nodes } from '../nodes/index.js';"),
    ],
    [
      'gatekeeper-knows-no-anonymizer: src/auth/auth.service.ts',
      plant('src/auth/auth.service.ts', "import type { NodeId } from '../nodes/index.js';\nexport type T = NodeId;"),
    ],
    [
      'gatekeeper-knows-no-anonymizer: src/account/account.store.ts',
      plant('src/account/account.store.ts', "export const late = () => import('../nodes/index.js');"),
    ],
    [
      'gatekeeper-knows-no-anonymizer: src/account/account.store.ts',
      plant('src/account/account.store.ts', "export * as other from '../prisma/network/index.js';"),
    ],
    [
      'gatekeeper-knows-no-anonymizer: src/crypto/issuer/index.ts',
      plant('src/crypto/issuer/index.ts', "import '../verifier/index.js';"),
    ],
    [
      'anonymizer-knows-no-gatekeeper: src/nodes/index.ts',
      plant('src/nodes/index.ts', "import type { Person } from '../auth/index.js';\nexport type P = Person;"),
    ],
    [
      'anonymizer-knows-no-gatekeeper: src/vpn-config/index.ts',
      plant('src/vpn-config/index.ts', "import '../prisma/identity/index.js';"),
    ],
    ['one-file-names-both-sides: src/main.ts', plant('src/main.ts', "import './gatekeeper.module.js';")],
    [
      'platform-knows-no-side: src/platform/redis/index.ts',
      plant('src/platform/redis/index.ts', "export { auth } from '../../auth/index.js';"),
    ],
    [
      'platform-knows-no-side: src/prisma/network/index.ts',
      plant('src/prisma/network/index.ts', "export { nodes } from '../../nodes/index.js';"),
    ],
    [
      'shared-platform-knows-no-side-folder: src/crypto/index.ts',
      plant('src/crypto/index.ts', "export { verifier } from './verifier/index.js';"),
    ],
    [
      'issuer-belongs-to-issuance: src/account/index.ts',
      plant('src/account/index.ts', "export { issuer } from '../crypto/issuer/index.js';"),
    ],
    [
      'issuer-belongs-to-issuance: src/auth/auth.service.ts',
      plant('src/auth/auth.service.ts', "export { issuer } from '../crypto/issuer/index.js';"),
    ],
    [
      'issuer-belongs-to-issuance: src/gatekeeper.module.ts',
      plant('src/gatekeeper.module.ts', "import './crypto/issuer/index.js';"),
    ],
    [
      'signing-in-knows-no-issuance: src/auth/auth.service.ts',
      plant('src/auth/auth.service.ts', "export { issuance } from './issuance/index.js';"),
    ],
    [
      'signing-in-knows-no-issuance: src/auth/auth.service.ts',
      plant('src/auth/auth.service.ts', "import type { Quota } from './issuance/index.js';\nexport type T = Quota;"),
    ],
    [
      'issuance-meets-signing-in-at-index: src/auth/issuance/quota.ts',
      plant('src/auth/issuance/quota.ts', "export { service } from '../auth.service.js';"),
    ],
    [
      'verifier-belongs-to-the-anonymizer: src/platform/redis/index.ts',
      plant('src/platform/redis/index.ts', "export { verifier } from '../../crypto/verifier/index.js';"),
    ],
    [
      'generated-clients-stay-inside: src/account/account.store.ts',
      plant('src/account/account.store.ts', "export { client } from '../prisma/generated/identity/client.js';"),
    ],
    [
      'generated-clients-stay-inside: src/prisma/adapter.ts',
      plant('src/prisma/adapter.ts', "export { client } from './generated/network/client.js';"),
    ],
    [
      'each-database-folder-has-one-client: src/prisma/network/index.ts',
      plant(
        'src/prisma/network/index.ts',
        "export { client as identityClient } from '../generated/identity/client.js';",
      ),
    ],
    [
      'modules-meet-at-index: src/account/index.ts',
      plant('src/account/index.ts', "export { service } from '../auth/auth.service.js';"),
    ],
    [
      'others-meet-src-at-index: admin/main.ts',
      plant('admin/main.ts', "export { service } from '../src/auth/auth.service.js';"),
    ],
    [
      'others-meet-src-at-index: src/main.ts',
      plant('src/main.ts', "export { service } from './auth/auth.service.js';"),
    ],
    [
      'modules-meet-at-index: src/account/index.ts',
      plant('src/account/index.ts', "export { quota } from '../auth/issuance/quota.js';"),
    ],
    [
      'others-meet-src-at-index: admin/main.ts',
      plant('admin/main.ts', "export { quota } from '../src/auth/issuance/quota.js';"),
    ],
    [
      'submodules-are-imported-at-index: src/prisma/adapter.ts',
      {
        ...plant('src/prisma/adapter.ts', "import './migrate/steps.js';"),
        'src/prisma/migrate/steps.ts': 'export {};',
      },
    ],
    [
      'submodules-meet-at-index: src/platform/redis/index.ts',
      {
        ...plant('src/platform/redis/index.ts', "import '../config/keys.js';"),
        'src/platform/config/keys.ts': 'export {};',
      },
    ],
    [
      'shared-platform-knows-no-side-folder: src/platform/redis/index.ts',
      {
        ...plant('src/platform/redis/index.ts', "import '../jobs/index.js';"),
        'src/platform/jobs/index.ts': 'export {};',
      },
    ],
    [
      'anonymizer-knows-no-gatekeeper: src/nodes/index.ts',
      {
        ...plant('src/nodes/index.ts', "import '../platform/jobs/index.js';"),
        'src/platform/jobs/index.ts': 'export {};',
      },
    ],
    [
      'production-stands-alone: src/platform/redis/index.ts',
      plant('src/platform/redis/index.ts', "import '../../../dev/start.js';"),
    ],
    ['production-stands-alone: admin/main.ts', plant('admin/main.ts', "import '../packages/client/src/index.js';")],
    [
      'tests-know-no-bench: test/support/tokens.ts',
      { 'test/support/tokens.ts': "import '../../bench/load.js';", 'bench/load.ts': 'export {};' },
    ],
    [
      'specs-beside-code-start-no-service: src/auth/auth.spec.ts',
      {
        'src/auth/auth.spec.ts': "import '../../test/support/gatekeeper.js';",
        'test/support/gatekeeper.ts': 'export {};',
      },
    ],
    ['production-has-no-admin: src/main.ts', plant('src/main.ts', "import '../admin/main.js';")],
    [
      'packages-stand-alone: packages/client/src/index.ts',
      plant('packages/client/src/index.ts', "export { token } from '../../../src/crypto/index.js';"),
    ],
    [
      'packages-stand-alone: packages/client/src/index.ts',
      plant('packages/client/src/index.ts', "export { agent } from '../../node-agent/src/index.js';"),
    ],
    [
      'no-cycles: src/auth/auth.service.ts',
      plant('src/auth/auth.service.ts', "import type { T } from './cycle.js';\nexport type U = T;"),
    ],
    ['every-folder-has-a-side: src/billing', { 'src/billing/index.ts': 'export const billing = 1;' }],
    ['every-folder-has-a-side: src/auth', plant('src/anonymizer.module.ts', "import './auth/index.js';")],
    [
      'side-names-its-own: src/account/index.ts',
      plant(
        'src/account/index.ts',
        "import { AnonymizerRedis as R } from '../platform/redis/index.js';\nexport { R };",
      ),
    ],
    [
      'side-names-its-own: src/nodes/index.ts',
      plant('src/nodes/index.ts', "export { GATEKEEPER_CONFIG } from '../platform/config/index.js';"),
    ],
    [
      'side-names-its-own: src/nodes/index.ts',
      plant('src/nodes/index.ts', "export * from '../platform/redis/index.js';"),
    ],
    [
      'side-names-its-own: src/crypto/verifier/index.ts',
      plant(
        'src/crypto/verifier/index.ts',
        "import * as redis from '../../platform/redis/index.js';\nexport { redis };",
      ),
    ],
  ])('find a violation of %s', async (expected, planted) => {
    const cycle = { 'src/auth/cycle.ts': "import type { U } from './auth.service.js';\nexport type T = U;" };
    const withCycle = expected.startsWith('no-cycles') ? cycle : {};
    expect(await rulesBrokenIn({ ...planted, ...withCycle })).toContain(expected);
  });

  it('find a violation of production-packages-are-dependencies', async () => {
    mkdirSync(join(root, 'node_modules', 'tool'), { recursive: true });
    writeFileSync(join(root, 'node_modules', 'tool', 'index.js'), 'module.exports = {};');
    const planted = {
      'package.json': '{"devDependencies":{"tool":"1"}}',
      ...plant('src/platform/redis/index.ts', "import 'tool';"),
      ...plant('src/auth/auth.service.ts', "import type { T } from 'tool';\nexport type U = T;"),
    };
    expect(await rulesBrokenIn(planted)).toEqual(['production-packages-are-dependencies: src/platform/redis/index.ts']);
  });

  it('follow the name of a workspace package', async () => {
    mkdirSync(join(root, 'node_modules'));
    symlinkSync(join(root, 'packages', 'client'), join(root, 'node_modules', 'client'));
    const planted = {
      'packages/client/package.json': '{"name":"client","exports":{".":{"vpn-source":"./src/index.ts"}}}',
      ...plant('src/platform/redis/index.ts', "import 'client';"),
    };
    expect(await rulesBrokenIn(planted)).toEqual(['production-stands-alone: src/platform/redis/index.ts']);
  });
});
