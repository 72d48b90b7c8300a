import ts from 'typescript';

export type Write = 'insert' | 'update' | 'delete';

/** Code that writes a table, or that may write a table whose name is not visible there. */
type TableWrite =
  { readonly write: Write; readonly table: string } | { readonly unreadable: string; readonly instead: string };

export type Found = TableWrite & { readonly line: number };

/** Replaces an interpolated expression in a template's text. */
const placeholder = '\u0000';

const schema = `(?:(?:"\\w+"|\\w+|${placeholder})\\.)?`;
/** Excludes `FOR UPDATE`, which locks, and `DO UPDATE`, which is part of an `INSERT`. */
const statement = '(?<!\\b(?:FOR|FOR\\s+NO\\s+KEY|DO)\\s+)\\b(INSERT\\s+INTO|UPDATE|DELETE\\s+FROM|MERGE\\s+INTO)';
const readable = new RegExp(`${statement}\\s+(?:ONLY\\s+)?${schema}"(\\w+)"`, 'gi');
const truncation = new RegExp(
  `\\bTRUNCATE\\s+(?:TABLE\\s+)?(?:ONLY\\s+)?(${schema}"\\w+"(?:\\s*,\\s*${schema}"\\w+")*)`,
  'gi',
);
/** Only in capitals, as SQL is written here, because a sentence may end with "update". */
const unreadable = new RegExp(
  `(?:${statement}|\\bTRUNCATE)\\s+(?:ONLY\\s+)?${schema}"?(?:${placeholder}(?!\\.)|$)`,
  'g',
);

/** The kinds of write of each statement. `MERGE` may do all. */
const writesOfSql: Readonly<Record<string, readonly Write[]>> = {
  INSERT: ['insert'],
  UPDATE: ['update'],
  DELETE: ['delete'],
  MERGE: ['insert', 'update', 'delete'],
};

const writesOfDelegate: Readonly<Record<string, readonly Write[]>> = {
  create: ['insert'],
  createMany: ['insert'],
  createManyAndReturn: ['insert'],
  update: ['update'],
  updateMany: ['update'],
  updateManyAndReturn: ['update'],
  upsert: ['insert', 'update'],
  delete: ['delete'],
  deleteMany: ['delete'],
};

/** Keys inside the data of a Prisma write that write other tables. */
const nestedWrites = [...Object.keys(writesOfDelegate), 'connectOrCreate', 'connect', 'disconnect'];

const clients = /^(prisma|tx|transaction)$/i;

/**
 * Finds every write to a table in a file: in any SQL text, and through the Prisma delegates of any client. It does not see
 * cascades and triggers, which run inside the database.
 *
 * @param tables by the name of their Prisma delegate, such as `pushDevice`
 */
export function findWrites(source: ts.SourceFile, tables: ReadonlyMap<string, string>): Found[] {
  const found: Found[] = [];
  const visit = (node: ts.Node): void => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
    found.push(...[...writesInText(node), ...writesOfClient(node, tables)].map((what) => ({ line, ...what })));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function writesInText(node: ts.Node): TableWrite[] {
  const text = textOf(node);
  if (text === undefined) return [];
  const statements = [...text.matchAll(readable)].flatMap(([, verb = '', table = '']) =>
    (writesOfSql[verb.slice(0, verb.search(/\s|$/)).toUpperCase()] ?? []).map((write) => ({ write, table })),
  );
  const truncated = [...text.matchAll(truncation)].flatMap(([, list = '']) =>
    [...list.matchAll(/"(\w+)"(?!\.)/g)].map(([, table = '']) => ({ write: 'delete' as const, table })),
  );
  const unreadableStatements = [...text.matchAll(unreadable)].map(() => ({
    unreadable: 'is SQL whose table is put in later',
    instead: 'Write the name of the table in the SQL.',
  }));
  return [...statements, ...truncated, ...unreadableStatements];
}

/** The text of a literal or template, with a placeholder for each interpolation. Interpolated expressions are visited separately. */
export function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join(placeholder);
}

function writesOfClient(node: ts.Node, tables: ReadonlyMap<string, string>): TableWrite[] {
  if (ts.isObjectBindingPattern(node)) return destructuredTables(node, tables);
  const access = accessOf(node);
  if (access === undefined) return [];
  // Also a bare name, as in `({ user }) => user.create(…)`: a variable with a table's name counts as the table.
  const table = tables.get(lastName(access.of));
  if (table !== undefined && access.name !== undefined) {
    const writes = writesOfDelegate[access.name] ?? [];
    const nested = writes.length > 0 && ts.isCallExpression(node.parent) && node.parent.arguments.some(hasNestedWrite);
    return [...writes.map((write) => ({ write, table })), ...(nested ? [nestedWrite] : [])];
  }
  const isTakenOut = access.name === undefined || (tables.has(access.name) && accessOf(node.parent)?.of !== node);
  return clients.test(lastName(access.of)) && isTakenOut ? [tableTakenOut] : [];
}

const tableTakenOut = {
  unreadable: 'takes a table out of the Prisma client',
  instead: 'Call its methods there: prisma.table.method(…).',
};
const nestedWrite = {
  unreadable: 'writes one table through the relation of another',
  instead: 'Write each table by itself.',
};

/** Reads `a.b` and `a['b']`; without a name when the key is computed. */
function accessOf(node: ts.Node | undefined): { readonly of: ts.Expression; readonly name?: string } | undefined {
  if (node === undefined) return undefined;
  if (ts.isPropertyAccessExpression(node)) return { of: node.expression, name: node.name.text };
  if (!ts.isElementAccessExpression(node)) return undefined;
  const { expression, argumentExpression: key } = node;
  return ts.isStringLiteralLike(key) ? { of: expression, name: key.text } : { of: expression };
}

function destructuredTables(pattern: ts.ObjectBindingPattern, tables: ReadonlyMap<string, string>): TableWrite[] {
  const { parent } = pattern;
  const from = ts.isVariableDeclaration(parent) && parent.initializer ? lastName(parent.initializer) : '';
  if (!clients.test(from)) return [];
  const names = pattern.elements.map(({ propertyName, name }) => (propertyName ?? name).getText());
  return names.some((name) => tables.has(name)) ? [tableTakenOut] : [];
}

function lastName(node: ts.Expression): string {
  if (ts.isIdentifier(node)) return node.text;
  return accessOf(node)?.name ?? '';
}

/** Ignores the top level of the argument, where `create` and `update` belong to an `upsert`. */
function hasNestedWrite(argument: ts.Expression): boolean {
  const isWrite = (node: ts.Node): boolean =>
    (ts.isPropertyAssignment(node) && node.parent !== argument && nestedWrites.includes(node.name.getText())) ||
    (ts.forEachChild(node, isWrite) ?? false);
  return isWrite(argument);
}
