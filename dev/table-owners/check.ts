import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { sideFolders, platform, readSides } from '../import-rules/sides.js';
import { findWrites, type Found, textOf, type Write } from './writes.js';

export interface Exception {
  readonly table: string;
  /** The module that writes it besides its owner. */
  readonly module: string;
  readonly write: Write;
  /** Why the owner cannot write it instead. */
  readonly reason: string;
}

const databases = ['identity', 'network'] as const;
type Database = (typeof databases)[number];

export interface TableRules {
  /** For every table of both schemas, the module that writes it. */
  readonly owners: Readonly<Record<Database, Readonly<Record<string, string>>>>;
  /** By table, the only folder of its owner that may insert into it. */
  readonly insertedOnlyIn: Readonly<Record<string, string>>;
  readonly exceptions: readonly Exception[];
  /** The job library's own schema, which only some modules may use. */
  readonly jobLibrary: { readonly names: RegExp; readonly modules: readonly string[]; readonly instead: string };
}

export interface TableViolation {
  /** A file and line, or the file with the rules. */
  readonly where: string;
  /** What is wrong. */
  readonly what: string;
  /** What to do instead. */
  readonly instead: string;
}

const rulesFile = 'dev/table-owners/owners.ts';
const verbs = { insert: 'inserts into', update: 'updates', delete: 'deletes from' } as const;

/**
 * Finds every write to a table by code that does not own it, and every table without an owner.
 *
 * @param root the folder that contains `src/` and `prisma/`
 */
export function checkTableOwners(root: string, rules: TableRules): TableViolation[] {
  const tables = readTables(root);
  const places = readPlaces(root, tables);
  const unneeded = new Set(rules.exceptions);
  const violations = places.flatMap((place) => violationsAt(place, rules, unneeded));
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

/** A write or a name found in a file, with the module of the file. */
type Place = (Found | { readonly line: number; readonly identifier: string }) & {
  readonly file: string;
  readonly module: string;
  /** Undefined when no database has such a table. */
  readonly database?: Database;
};

function readPlaces(root: string, tables: Tables): Place[] {
  const sides = readSides(root);
  const foldersOf = {
    identity: [...sides.gatekeeper, ...sideFolders.gatekeeper],
    network: [...sides.anonymizer, ...sideFolders.anonymizer],
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
    // When both databases have a table of this name, the file means its own side's.
    const own = databases.filter((database) => foldersOf[database].some((folder) => file.startsWith(`src/${folder}/`)));
    const databaseOf = (table: string) => [...own, ...databases].find((database) => tables[database].includes(table));
    return [...findWrites(source, delegates), ...namesIn(source)].map((found) => {
      const database = 'table' in found ? databaseOf(found.table) : undefined;
      return { ...found, file, module, ...(database !== undefined && { database }) };
    });
  });
}

/** `auth` for files in `src/auth/`, `platform/audit` for files in `src/platform/audit/`. */
function moduleOf(file: string): string {
  const [top = '', folder = '', inner] = file.split('/');
  if (top !== 'src') return top;
  if (inner === undefined) return 'src';
  return platform.includes(folder) && !inner.endsWith('.ts') ? `${folder}/${inner}` : folder;
}

/** All texts and identifiers in a file, to search them for names of the job library's schema. */
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

function violationsAt(place: Place, rules: TableRules, unneeded: Set<Exception>): TableViolation[] {
  const where = `${place.file}:${place.line}`;
  if ('unreadable' in place) return [{ where, what: place.unreadable, instead: place.instead }];
  if ('identifier' in place) {
    const { names, modules, instead } = rules.jobLibrary;
    const named = modules.includes(place.module) ? undefined : names.exec(place.identifier)?.[0];
    return named === undefined ? [] : [{ where, what: `names ${named} of the job library's own schema`, instead }];
  }
  const { table, write, module, database } = place;
  // Not one of our tables, for example a sentence with a quoted word.
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

/** Checks that the list of owners is complete and correct. */
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
