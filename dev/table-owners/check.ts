import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { halves, platform, readSides } from '../import-rules/sides.js';
import { findWrites, type Found, textOf, type Write } from './writes.js';

export interface Exception {
  readonly table: string;
  /** Who writes it beside its owner. */
  readonly module: string;
  readonly write: Write;
  /** Why the owner cannot do it for them. */
  readonly reason: string;
}

const databases = ['identity', 'network'] as const;
type Database = (typeof databases)[number];

export interface TableRules {
  /** The module that writes a table, for every table of both schemas. */
  readonly owners: Readonly<Record<Database, Readonly<Record<string, string>>>>;
  /** The folder of a table's owner that alone inserts into it. */
  readonly insertedOnlyIn: Readonly<Record<string, string>>;
  readonly exceptions: readonly Exception[];
  /** A library's own schema, which one module may name. */
  readonly jobLibrary: { readonly names: RegExp; readonly modules: readonly string[]; readonly instead: string };
}

export interface TableViolation {
  /** A file and its line, or what the rules themselves get wrong. */
  readonly where: string;
  /** What is wrong. */
  readonly what: string;
  /** What to do instead. */
  readonly instead: string;
}

const rulesFile = 'dev/table-owners/owners.ts';
const verbs = { insert: 'inserts into', update: 'updates', delete: 'deletes from' } as const;

/**
 * Every write of a table by code that does not own it, and every table without an owner.
 *
 * @param root the folder that holds `src/` and `prisma/`
 */
export function checkTableOwners(root: string, rules: TableRules): TableViolation[] {
  const tables = readTables(root);
  const places = readPlaces(root, tables);
  const unneeded = new Set(rules.exceptions);
  const violations = places.flatMap((place) => judge(place, rules, unneeded));
  return [
    ...checkOwners(tables, places, rules),
    ...violations,
    ...[...unneeded].map(({ table, module, write }) => ({
      where: rulesFile,
      what: `the exception for ${module}, which ${verbs[write]} "${table}", is not needed`,
      instead: 'Delete it.',
    })),
  ];
}

type Tables = Readonly<Record<Database, readonly string[]>>;

function readTables(root: string): Tables {
  const of = (database: Database) => {
    const model = readFileSync(join(root, 'prisma', database, 'schema.prisma'), 'utf8');
    return [...model.matchAll(/^model (\w+) \{/gm)].map(([, name = '']) => name);
  };
  return { identity: of('identity'), network: of('network') };
}

/** Something found in a file, and whose file that is. */
type Place = (Found | { readonly line: number; readonly identifier: string }) & {
  readonly file: string;
  readonly module: string;
  /** Undefined for a table of neither. */
  readonly database?: Database;
};

function readPlaces(root: string, tables: Tables): Place[] {
  const sides = readSides(root);
  const foldersOf = {
    identity: [...sides.gatekeeper, ...halves.gatekeeper],
    network: [...sides.anonymizer, ...halves.anonymizer],
  };
  const delegates = new Map(
    [...tables.identity, ...tables.network].map((table) => [table.charAt(0).toLowerCase() + table.slice(1), table]),
  );
  const files = globSync(['src/**/*.ts', 'admin/**/*.ts'], { cwd: root })
    .filter((file) => !file.endsWith('.spec.ts') && !file.startsWith('src/prisma/generated/'))
    .sort();
  return files.flatMap((file) => {
    const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
    const module = moduleOf(file);
    // Its own side's table, where both databases have one of this name.
    const own = databases.filter((database) => foldersOf[database].some((folder) => file.startsWith(`src/${folder}/`)));
    const databaseOf = (table: string) => [...own, ...databases].find((database) => tables[database].includes(table));
    return [...findWrites(source, delegates), ...namesIn(source)].map((found) => {
      const database = 'table' in found ? databaseOf(found.table) : undefined;
      return { ...found, file, module, ...(database !== undefined && { database }) };
    });
  });
}

/** `auth` for whatever is in `src/auth/`, `platform/audit` for whatever is in that folder of `src/platform/`. */
function moduleOf(file: string): string {
  const [top = '', folder = '', room] = file.split('/');
  if (top !== 'src') return top;
  if (room === undefined) return 'src';
  return platform.includes(folder) && !room.endsWith('.ts') ? `${folder}/${room}` : folder;
}

/** Every text and name in a file, for the names of a library's schema. */
function namesIn(source: ts.SourceFile): { line: number; identifier: string }[] {
  const found: { line: number; identifier: string }[] = [];
  const visit = (node: ts.Node): void => {
    const identifier = ts.isIdentifier(node) ? node.text : textOf(node);
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    if (identifier !== undefined) found.push({ line: line + 1, identifier });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function judge(place: Place, rules: TableRules, unneeded: Set<Exception>): TableViolation[] {
  const where = `${place.file}:${place.line}`;
  if ('unreadable' in place) return [{ where, what: place.unreadable, instead: place.instead }];
  if ('identifier' in place) {
    const { names, modules, instead } = rules.jobLibrary;
    const named = modules.includes(place.module) ? undefined : names.exec(place.identifier)?.[0];
    return named === undefined ? [] : [{ where, what: `names ${named} of the job library's own schema`, instead }];
  }
  const { table, write, module, database } = place;
  // Whatever is no table of ours: a sentence with a quoted word, say.
  if (database === undefined) return [];
  const owner = rules.owners[database][table];
  const folder = rules.insertedOnlyIn[table];
  if (owner === module) {
    if (write !== 'insert' || folder === undefined || place.file.startsWith(folder)) return [];
    return [
      { where, what: `inserts into "${table}", as ${folder} alone does`, instead: `Use what ${folder} exports.` },
    ];
  }
  const allowed = rules.exceptions.find((e) => e.table === table && e.module === module && e.write === write);
  if (allowed !== undefined) {
    unneeded.delete(allowed);
    return [];
  }
  return [
    {
      where,
      what: `${verbs[write]} "${table}", which ${owner ?? 'no module'} owns`,
      instead: `Call its service, or have it export the SQL for your statement. If both would be worse, declare an exception and its reason in ${rulesFile}.`,
    },
  ];
}

/** The list of owners itself: whole, and true. */
function checkOwners(tables: Tables, places: readonly Place[], { owners }: TableRules): TableViolation[] {
  return databases.flatMap((database) => {
    const missing = tables[database].filter((table) => owners[database][table] === undefined);
    const unknown = Object.keys(owners[database]).filter((table) => !tables[database].includes(table));
    const idle = Object.entries(owners[database]).filter(
      ([table, owner]) =>
        tables[database].includes(table) &&
        !places.some((place) => {
          return 'table' in place && place.table === table && place.database === database && place.module === owner;
        }),
    );
    return [
      ...missing.map((table) => ({
        where: `prisma/${database}/schema.prisma`,
        what: `"${table}" has no owner`,
        instead: `Add the module that writes it to ${rulesFile}.`,
      })),
      ...unknown.map((table) => ({
        where: rulesFile,
        what: `"${table}" is no table of ${database}`,
        instead: 'Delete it.',
      })),
      ...idle.map(([table, owner]) => ({
        where: rulesFile,
        what: `${owner} owns "${table}" and never writes it`,
        instead: 'Name the module that writes it.',
      })),
    ];
  });
}
