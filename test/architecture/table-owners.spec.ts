import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkTableOwners, type TableRules } from '../../dev/table-owners/check.js';
import { tableRules } from '../../dev/table-owners/owners.js';

type Files = Readonly<Record<string, string>>;

/** A small tree in which only the owner writes each table, with its rules. */
const clean: Files = {
  'prisma/identity/schema.prisma':
    'model User {\n}\nmodel PushDevice {\n}\nmodel Notification {\n}\nmodel MaintenanceRun {\n}\nenum Kind {\n}\n',
  'prisma/network/schema.prisma': 'model Node {\n}\nmodel MaintenanceRun {\n}\n',
  'src/gatekeeper.module.ts': "import './auth/index.js';\nimport './notifications/index.js';",
  'src/anonymizer.module.ts': "import './nodes/index.js';",
  'src/auth/users.store.ts':
    'export const add = sql`WITH row AS (INSERT INTO "User" (id) VALUES (${1}) ON CONFLICT (id) DO UPDATE SET id = ${2})\nSELECT FROM "PushDevice" FOR UPDATE`;',
  'src/notifications/devices.store.ts':
    'export const remove = () => prisma.pushDevice.deleteMany({ where: { id: 1 } });',
  'src/notifications/outbox/enqueue.ts': 'export const enqueue = sql`INSERT INTO "Notification" SELECT`;',
  'src/notifications/delivery.store.ts': 'export const purge = sql`DELETE FROM "Notification" n`;',
  'src/nodes/node.store.ts': 'export const pulse = sql`UPDATE "Node" SET at = ${1}`;',
  'src/platform/jobs/jobs.ts': 'export const cap = sql`UPDATE ${jobs}._private_jobs SET run_at = now()`;',
  'src/prisma/identity/prisma.ts':
    "export const did = () => transaction.maintenanceRun.upsert({ where: { name: 'x' }, create: { name: 'x' }, update: {} });",
  'src/prisma/network/prisma.ts': 'export const did = sql`INSERT INTO "MaintenanceRun" VALUES (1)`;',
  'src/prisma/generated/identity/client.ts': 'export const sql = \'DELETE FROM "User"\';',
  'src/nodes/node.spec.ts': 'export const sql = \'DELETE FROM "User"\';',
  'admin/main.ts': 'export const error = \'Could not update "x"\';',
};

const rules: TableRules = {
  owners: {
    identity: {
      User: 'auth',
      PushDevice: 'notifications',
      Notification: 'notifications',
      MaintenanceRun: 'prisma/identity',
    },
    network: { Node: 'nodes', MaintenanceRun: 'prisma/network' },
  },
  insertedOnlyIn: { Notification: 'src/notifications/outbox/' },
  exceptions: [],
  jobLibrary: tableRules.jobLibrary,
};

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'tables-')));
});

afterEach(() => rmSync(root, { recursive: true }));

function violationsIn(planted: Files, changed: Partial<TableRules> = {}): string[] {
  for (const [file, text] of Object.entries({ ...clean, ...planted })) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), `${text}\n`);
  }
  return checkTableOwners(root, { ...rules, ...changed }).map(({ where, what }) => `${where}: ${what}`);
}

describe('check:tables', () => {
  it('finds no violation in this project', () => {
    expect(checkTableOwners(process.cwd(), tableRules)).toEqual([]);
  });

  it('finds no violation in the tree that violations are added to', () => {
    expect(violationsIn({})).toEqual([]);
  });

  it.each([
    ['inserts into', 'sql`INSERT INTO "User" (id) VALUES (1)`'],
    ['inserts into', '\'INSERT INTO "User" (id) VALUES (1)\''],
    ['inserts into', 'sql`WITH x AS (${y}), z AS (INSERT INTO identity."User" AS u SELECT)`'],
    ['inserts into', 'sql`INSERT INTO ${schema}."User" SELECT`'],
    ['updates', 'sql`WITH x AS (\n  UPDATE "User" u SET id = ${1}\n) SELECT`'],
    ['updates', 'sql`UPDATE ONLY "identity"."User" SET id = 1`'],
    ['updates', 'sql`SELECT ${sql`${\'UPDATE "User" SET id = 1\'}`}`'],
    ['deletes from', 'sql`DELETE FROM "User" USING x`'],
    ['deletes from', 'sql`delete from "User"`'],
    ['deletes from', 'sql`TRUNCATE "User"`'],
    ['deletes from', 'sql`TRUNCATE TABLE "Node", "User" CASCADE`'],
    ['updates', 'sql`MERGE INTO "User" USING x ON true WHEN MATCHED THEN DO NOTHING`'],
    ['inserts into', 'prisma.user.create({ data: {} })'],
    ['inserts into', 'this.prisma.user.createMany({ data: [] })'],
    ['inserts into', 'prisma.user.createManyAndReturn({ data: [] })'],
    ['inserts into', 'prisma.user.upsert({ where: {}, create: {}, update: {} })'],
    ['updates', 'prisma.user.upsert({ where: {}, create: {}, update: {} })'],
    ['updates', 'prisma.$transaction((db) => db.user.update({ data: {} }))'],
    ['updates', 'prisma.$transaction([prisma.user.updateMany({ data: {} })])'],
    ['updates', 'prisma.user.updateManyAndReturn({ data: {} })'],
    ['updates', 'inTransaction(({ user }) => user.update({ data: {} }))'],
    ['deletes from', "prisma['user'].delete({ where: {} })"],
    ['deletes from', 'prisma.user.deleteMany'],
  ])('finds another module that %s a table: %s', (does, code) => {
    const planted = { 'src/notifications/planted.ts': `export const planted = ${code};` };
    expect(violationsIn(planted)).toContain(`src/notifications/planted.ts:1: ${does} "User", which auth owns`);
  });

  it.each([
    ['sql`INSERT INTO ${table} SELECT`', 'is SQL whose table is put in later'],
    ['sql`DELETE FROM "${table}"`', 'is SQL whose table is put in later'],
    ["'UPDATE ' + table", 'is SQL whose table is put in later'],
    ['sql`UPDATE ${schema}.${table} SET id = 1`', 'is SQL whose table is put in later'],
    ['sql`TRUNCATE ${table}`', 'is SQL whose table is put in later'],
    ['this.prisma.user', 'takes a table out of the Prisma client'],
    ['transaction[table].delete()', 'takes a table out of the Prisma client'],
    ['() => { const { user } = this.prisma; }', 'takes a table out of the Prisma client'],
    [
      'prisma.pushDevice.update({ where: {}, data: { user: { update: { name: 1 } } } })',
      'writes one table through the relation of another',
    ],
    [
      'prisma.pushDevice.upsert({ where: {}, update: {}, create: { user: { create: {} } } })',
      'writes one table through the relation of another',
    ],
  ])('refuses code whose table it cannot see: %s', (code, what) => {
    const planted = { 'src/notifications/planted.ts': `\nexport const planted = ${code};` };
    expect(violationsIn(planted)).toEqual([`src/notifications/planted.ts:2: ${what}`]);
  });

  it.each([
    ['a module', 'src/nodes/planted.ts'],
    ['a folder of platform', 'src/platform/http/planted.ts'],
    ['platform itself', 'src/crypto/planted.ts'],
    ['the start', 'src/main.ts'],
    ["the operator's command", 'admin/planted.ts'],
  ])('checks %s', (_which, file) => {
    const planted = { [file]: 'export const planted = sql`DELETE FROM "User"`;' };
    expect(violationsIn(planted)).toEqual([`${file}:1: deletes from "User", which auth owns`]);
  });

  it('distinguishes tables of the same name in both databases', () => {
    const planted = {
      'src/auth/planted.ts': 'export const planted = sql`DELETE FROM "MaintenanceRun"`;',
      'src/nodes/planted.ts': 'export const planted = sql`DELETE FROM "MaintenanceRun"`;',
    };
    expect(violationsIn(planted)).toEqual([
      'src/auth/planted.ts:1: deletes from "MaintenanceRun", which prisma/identity owns',
      'src/nodes/planted.ts:1: deletes from "MaintenanceRun", which prisma/network owns',
    ]);
  });

  it('allows an owner to reserve inserts for one of its folders', () => {
    const planted = {
      'src/notifications/planted.ts': 'export const planted = sql`INSERT INTO "Notification" SELECT`;',
    };
    expect(violationsIn(planted)).toEqual([
      'src/notifications/planted.ts:1: inserts into "Notification", as src/notifications/outbox/ alone does',
    ]);
  });

  it.each([
    ['_private_jobs', 'sql`SELECT FROM ${schema}._private_jobs`'],
    ['identity_jobs', "'identity_jobs.add_job'"],
    ['jobsSchema', 'Prisma.raw(jobsSchema)'],
  ])('lets only platform/jobs use the tables of the job library: %s', (name, code) => {
    const planted = { 'src/auth/planted.ts': `export const planted = ${code};` };
    expect(violationsIn(planted)).toEqual([`src/auth/planted.ts:1: names ${name} of the job library's own schema`]);
  });
});

describe('the list of table owners', () => {
  const { identity, network } = rules.owners;

  it('requires an owner for a new table', () => {
    const planted = {
      'prisma/network/schema.prisma': 'model Node {\n}\nmodel MaintenanceRun {\n}\nmodel Cable {\n}\n',
    };
    expect(violationsIn(planted)).toEqual(['prisma/network/schema.prisma: "Cable" has no owner']);
  });

  it('refuses a table that does not exist', () => {
    const owners = { identity, network: { ...network, Cable: 'nodes' } };
    expect(violationsIn({}, { owners })).toEqual(['dev/table-owners/owners.ts: "Cable" is no table of network']);
  });

  it('refuses an owner that does not write its table', () => {
    const planted = { 'src/notifications/devices.store.ts': 'export const devices = 1;' };
    expect(violationsIn(planted)).toEqual([
      'dev/table-owners/owners.ts: notifications owns "PushDevice" and never writes it',
    ]);
  });
});

describe('an exception to a table owner', () => {
  const exception = { table: 'User', module: 'notifications', write: 'update', reason: 'As a test.' } as const;
  const plant = (code: string): Files => ({ 'src/notifications/planted.ts': `export const planted = ${code};` });

  it('allows one module to write the table of another', () => {
    const planted = plant('sql`UPDATE "User" SET id = 1`');
    expect(violationsIn(planted, { exceptions: [exception] })).toEqual([]);
  });

  it('allows one kind of write', () => {
    const planted = plant('prisma.user.upsert({ where: {}, create: {}, update: {} })');
    expect(violationsIn(planted, { exceptions: [exception] })).toEqual([
      'src/notifications/planted.ts:1: inserts into "User", which auth owns',
    ]);
  });

  it('is refused when it is not needed any more', () => {
    expect(violationsIn({}, { exceptions: [exception] })).toEqual([
      'dev/table-owners/owners.ts: the exception for notifications, which updates "User", is not needed',
    ]);
  });
});
