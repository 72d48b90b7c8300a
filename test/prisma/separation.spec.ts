import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readColumns } from '../support/database-catalog.js';
import { createTestStack, query, type TestStack } from '../support/stack.js';

let stack: TestStack;
beforeAll(async () => {
  stack = await createTestStack();
});
afterAll(() => stack.stop());

const urlOf = (side: string) => (side === 'identity' ? stack.identityUrl : stack.networkUrl);

describe.each([
  { side: 'identity', other: 'network', table: 'User', othersTable: 'Connection' },
  { side: 'network', other: 'identity', table: 'Connection', othersTable: 'User' },
])('the role of $side', ({ side, other, table, othersTable }) => {
  const run = (sql: string) => query(urlOf(side), sql);

  it('reads and writes its own tables', async () => {
    expect(await run(`SELECT count(*) FROM ${side}."${table}"`)).toEqual([{ count: '0' }]);
    expect(await run(`DELETE FROM ${side}."${table}"`)).toEqual([]);
  });

  it.each([
    ['reading', `SELECT * FROM ${other}."${othersTable}"`],
    ['writing', `DELETE FROM ${other}."${othersTable}"`],
    ['assuming the role of', `SET ROLE vpn_${other}`],
  ])('is denied %s the other side', async (_, sql) => {
    await expect(run(sql)).rejects.toThrow(new RegExp(`^permission denied (for schema ${other}|to set role)`));
  });

  it("has no rights on the other side's tables, even apart from those on the schema", async () => {
    const rows = await query<{ allowed: boolean }>(
      stack.ownerUrl,
      `SELECT has_table_privilege($1, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') AS allowed
       FROM pg_class c WHERE relnamespace = $2::regnamespace AND relkind = 'r'`,
      [`vpn_${side}`, other],
    );
    expect(rows.length).toBeGreaterThan(5);
    expect(rows.filter(({ allowed }) => allowed)).toEqual([]);
  });

  it.each([
    ['create a table', `CREATE TABLE ${side}.another (id int)`],
    ['create a table in public', 'CREATE TABLE public.another (id int)'],
    ['create a temporary table', 'CREATE TEMPORARY TABLE another (id int)'],
    ['create a schema', 'CREATE SCHEMA another'],
    ['truncate a table', `TRUNCATE ${side}."${table}" CASCADE`],
    ['alter a table', `ALTER TABLE ${side}."${table}" ADD COLUMN another int`],
    ['change the history of migrations', `DELETE FROM ${side}._prisma_migrations`],
  ])('may not %s', async (_, sql) => {
    await expect(run(sql)).rejects.toThrow(/^permission denied (for (schema|table|database)|to create)|^must be owner/);
  });
});

describe('the role of identity', () => {
  it.each(['PaymentHistory', 'AuditEvent'])(
    'may insert into %s, but neither update nor delete its rows',
    async (table) => {
      const denied = `permission denied for table ${table}`;
      await expect(query(stack.identityUrl, `UPDATE identity."${table}" SET user_id = NULL`)).rejects.toThrow(denied);
      await expect(query(stack.identityUrl, `DELETE FROM identity."${table}"`)).rejects.toThrow(denied);
    },
  );

  it('may add and run jobs, and change nothing else in their schema', async () => {
    const run = (sql: string) => query(stack.identityUrl, sql);
    await run(`SELECT identity_jobs.add_job('anything', '{}')`);
    expect(await run('SELECT task_identifier FROM identity_jobs.jobs')).toEqual([{ task_identifier: 'anything' }]);
    await run('DELETE FROM identity_jobs._private_jobs');
    for (const sql of ['CREATE TABLE identity_jobs.another (id int)', 'DELETE FROM identity_jobs.migrations']) {
      await expect(run(sql)).rejects.toThrow(/^permission denied/);
    }
    await expect(query(stack.networkUrl, 'SELECT * FROM identity_jobs.jobs')).rejects.toThrow(
      'permission denied for schema identity_jobs',
    );
  });
});

describe('the database catalog', () => {
  it('has no foreign key from one schema to another', async () => {
    const across = `SELECT conname FROM pg_constraint k JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class t ON t.oid = k.confrelid
      WHERE contype = 'f' AND f.relnamespace <> t.relnamespace`;
    expect(await query(stack.ownerUrl, across)).toEqual([]);

    await query(
      stack.ownerUrl,
      'ALTER TABLE network."Location" ADD COLUMN x uuid CONSTRAINT planted REFERENCES identity."User"',
    );
    expect(await query(stack.ownerUrl, across)).toEqual([{ conname: 'planted' }]);
    await query(stack.ownerUrl, 'ALTER TABLE network."Location" DROP COLUMN x');
  });

  it('has no column in the network schema that identifies a user', async () => {
    const identifying = async () =>
      (await readColumns(stack.ownerUrl, 'network')).filter(({ column }) => identifiesUser(column));
    expect(await identifying()).toEqual([]);

    await query(stack.ownerUrl, 'ALTER TABLE network."Connection" ADD COLUMN user_id uuid');
    expect(await identifying()).toEqual([{ table: 'Connection', column: 'user_id', type: 'uuid' }]);
    await query(stack.ownerUrl, 'ALTER TABLE network."Connection" DROP COLUMN user_id');
  });

  it('has no address column in the network schema except those of nodes', async () => {
    const addresses = (await readColumns(stack.ownerUrl, 'network')).filter(({ type }) =>
      /^(inet|cidr|macaddr)/.test(type),
    );
    expect(addresses.map(({ table, column }) => `${table}.${column}`)).toEqual(['Node.ip', 'Node.ip_v6']);
  });

  it('has no time finer than a second, and in Connection only a day and a full hour', async () => {
    const times = async () => {
      const columns = await readColumns(stack.ownerUrl, 'network');
      return columns.filter(({ type }) => /date|time|interval/.test(type));
    };
    const finer = async () =>
      (await times()).filter(({ type }) => type !== 'date' && type !== 'timestamp(0) with time zone');
    expect(await finer()).toEqual([]);
    expect((await times()).filter(({ table }) => table === 'Connection')).toEqual([
      { table: 'Connection', column: 'expires_at', type: 'timestamp(0) with time zone' },
      { table: 'Connection', column: 'started_on', type: 'date' },
    ]);

    await query(stack.ownerUrl, 'ALTER TABLE network."Connection" ALTER started_on TYPE timestamptz');
    expect(await finer()).toHaveLength(1);
    await query(stack.ownerUrl, 'ALTER TABLE network."Connection" ALTER started_on TYPE date');
  });
});

/** Whether the name of a column suggests that it identifies or locates a user. */
function identifiesUser(column: string): boolean {
  const words = column.toLowerCase().split('_');
  const forbidden = [
    'account',
    'user',
    'uid',
    'email',
    'mail',
    'firebase',
    'stripe',
    'apple',
    'person',
    'customer',
    'client',
    'remote',
    'phone',
    'device',
  ];
  return forbidden.some((word) => words.some((part) => part.startsWith(word)));
}
