import ts from 'typescript';

export type Write = 'insert' | 'update' | 'delete';

/** Code that writes a table, or may write one that cannot be read there. */
type What =
  { readonly write: Write; readonly table: string } | { readonly unreadable: string; readonly instead: string };

export type Found = What & { readonly line: number };

/** Stands in a template's text for what is interpolated. */
const hole = '\u0000';

const schema = `(?:(?:"\\w+"|\\w+|${hole})\\.)?`;
/** Not `FOR UPDATE`, which locks, nor `DO UPDATE`, which belongs to its `INSERT`. */
const statement = '(?<!\\b(?:FOR|FOR\\s+NO\\s+KEY|DO)\\s+)\\b(INSERT\\s+INTO|UPDATE|DELETE\\s+FROM|MERGE\\s+INTO)';
const readable = new RegExp(`${statement}\\s+(?:ONLY\\s+)?${schema}"(\\w+)"`, 'gi');
const truncation = new RegExp(
  `\\bTRUNCATE\\s+(?:TABLE\\s+)?(?:ONLY\\s+)?(${schema}"\\w+"(?:\\s*,\\s*${schema}"\\w+")*)`,
  'gi',
);
/** In capitals alone, as SQL is written here: a sentence may end with "update". */
const unreadable = new RegExp(`(?:${statement}|\\bTRUNCATE)\\s+(?:ONLY\\s+)?${schema}"?(?:${hole}(?!\\.)|$)`, 'g');

/** Every kind of write of a statement: `MERGE` may do all. */
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

/** What Prisma does to other tables when it stands inside the data of a write. */
const nestedWrites = [...Object.keys(writesOfDelegate), 'connectOrCreate', 'connect', 'disconnect'];

const clients = /^(prisma|tx|transaction)$/i;

/**
 * Every write of a table in a file: in SQL, wherever its text stands, and through Prisma's delegates, on whichever client. SQL
 * that runs in the database by itself (cascades, triggers) is not seen.
 *
 * @param tables by the name of their delegate, such as `pushDevice`
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

function writesInText(node: ts.Node): What[] {
  const text = textOf(node);
  if (text === undefined) return [];
  const statements = [...text.matchAll(readable)].flatMap(([, verb = '', table = '']) =>
    (writesOfSql[verb.slice(0, verb.search(/\s|$/)).toUpperCase()] ?? []).map((write) => ({ write, table })),
  );
  const truncated = [...text.matchAll(truncation)].flatMap(([, list = '']) =>
    [...list.matchAll(/"(\w+)"(?!\.)/g)].map(([, table = '']) => ({ write: 'delete' as const, table })),
  );
  const hidden = [...text.matchAll(unreadable)].map(() => ({
    unreadable: 'is SQL whose table is put in later',
    instead: 'Write the name of the table in the SQL.',
  }));
  return [...statements, ...truncated, ...hidden];
}

/** Of a literal or a template, with a hole for each interpolation: what stands inside one is visited by itself. */
export function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join(hole);
}

function writesOfClient(node: ts.Node, tables: ReadonlyMap<string, string>): What[] {
  if (ts.isObjectBindingPattern(node)) return takenApart(node, tables);
  const access = accessOf(node);
  if (access === undefined) return [];
  // A name alone, too: what is called as a table is one, wherever `({ user }) => user.create(…)` has it from.
  const table = tables.get(lastName(access.of));
  if (table !== undefined && access.name !== undefined) {
    const writes = writesOfDelegate[access.name] ?? [];
    const nested = writes.length > 0 && ts.isCallExpression(node.parent) && node.parent.arguments.some(hasNestedWrite);
    return [...writes.map((write) => ({ write, table })), ...(nested ? [nestedWrite] : [])];
  }
  const aside = access.name === undefined || (tables.has(access.name) && accessOf(node.parent)?.of !== node);
  return clients.test(lastName(access.of)) && aside ? [takenAside] : [];
}

const takenAside = {
  unreadable: 'takes a table out of the Prisma client',
  instead: 'Call its methods there: prisma.table.method(…).',
};
const nestedWrite = {
  unreadable: 'writes one table through the relation of another',
  instead: 'Write each table by itself.',
};

/** `a.b` and `a['b']`; without a name where it is computed. */
function accessOf(node: ts.Node | undefined): { readonly of: ts.Expression; readonly name?: string } | undefined {
  if (node === undefined) return undefined;
  if (ts.isPropertyAccessExpression(node)) return { of: node.expression, name: node.name.text };
  if (!ts.isElementAccessExpression(node)) return undefined;
  const { expression, argumentExpression: key } = node;
  return ts.isStringLiteralLike(key) ? { of: expression, name: key.text } : { of: expression };
}

function takenApart(pattern: ts.ObjectBindingPattern, tables: ReadonlyMap<string, string>): What[] {
  const { parent } = pattern;
  const from = ts.isVariableDeclaration(parent) && parent.initializer ? lastName(parent.initializer) : '';
  if (!clients.test(from)) return [];
  const names = pattern.elements.map(({ propertyName, name }) => (propertyName ?? name).getText());
  return names.some((name) => tables.has(name)) ? [takenAside] : [];
}

function lastName(node: ts.Expression): string {
  if (ts.isIdentifier(node)) return node.text;
  return accessOf(node)?.name ?? '';
}

/** Deeper than the argument itself, whose own `create` and `update` are those of an `upsert`. */
function hasNestedWrite(argument: ts.Expression): boolean {
  const isWrite = (node: ts.Node): boolean =>
    (ts.isPropertyAssignment(node) && node.parent !== argument && nestedWrites.includes(node.name.getText())) ||
    (ts.forEachChild(node, isWrite) ?? false);
  return isWrite(argument);
}
