import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderPrivacyPage } from '../../dev/privacy-doc.js';
import { readTables, type Table } from '../../dev/prisma-comments.js';
import { readModel, sides } from '../../src/prisma/migrate/index.js';
import { readColumns } from '../support/database-catalog.js';
import { createTestStack, type TestStack } from '../support/stack.js';

let stack: TestStack;
beforeAll(async () => {
  stack = await createTestStack();
});
afterAll(() => stack.stop());

/** The last sentence of a comment says when the value is deleted. */
const ending = /(^|[.;] )(Goes|Kept|Erased|Purged|Overwritten|Outlives|Folded)\b[^.]*\.?[^.]*$/;

function unexplained(tables: readonly Table[]): string[] {
  return tables.flatMap(({ name, comment, columns }) => [
    ...(comment === '' ? [name] : []),
    ...columns
      .filter((column) => !ending.test(column.comment) || column.comment.split('. ').length < 2)
      .map((column) => `${name}.${column.name}`),
  ]);
}

describe.each(sides)('the %s schema', (side) => {
  const tables = readTables(readModel(side));

  it('says for every column why it is kept and when it is deleted', () => {
    expect(unexplained(tables)).toEqual([]);
  });

  it('is read completely: the page has every column of the database', async () => {
    const inDatabase = await readColumns(stack.ownerUrl, side);
    const read = tables.flatMap(({ name, columns }) => columns.map((column) => `${name}.${column.name}`));
    expect(read.sort()).toEqual(inDatabase.map(({ table, column }) => `${table}.${column}`).sort());
  });
});

it.each([
  ['no comment', '  plain String'],
  ['no reason to go', '  /// A name.\n  plain String'],
  ['no reason to be', '  /// Kept.\n  plain String'],
])('finds a column with %s', (_what, column) => {
  const schema = `/// A table.\nmodel T {\n  /// Names the row. Goes with it.\n  id String @id\n${column} @map("plain_name")\n}\n`;
  expect(unexplained(readTables(schema))).toEqual(['T.plain_name']);
});

it('docs/privacy.md matches the schemas (npm run docs:privacy writes it)', () => {
  expect(readFileSync('docs/privacy.md', 'utf8')).toBe(renderPrivacyPage());
});
