import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { sideFolders, type Sides } from './sides.js';

export interface Violation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
  /** Why the rule exists, and what to do instead. */
  readonly why: string;
}

const why =
  "In platform folders that serve both sides, names begin with the side that they belong to (AnonymizerRedis, GATEKEEPER_CONFIG). Import only your own side's, each by its name.";

/**
 * Some platform folders contain code for each side: a Redis client, a logger, a part of the configuration. The folder does not
 * show the side, but the name does: it begins with the side's name.
 */
export function foreignNames(root: string, sides: Sides): Violation[] {
  return [
    ...search(root, [...sides.gatekeeper, ...sideFolders.gatekeeper], 'gatekeeper', /^(anonymizer|network)/i),
    ...search(root, [...sides.anonymizer, ...sideFolders.anonymizer], 'anonymizer', /^(gatekeeper|identity)/i),
  ];
}

function search(root: string, folders: readonly string[], side: string, foreign: RegExp): Violation[] {
  const files = globSync([`src/{${folders.join(',')}}/**/*.ts`, `src/${side}.module.ts`], { cwd: root });
  return files
    .filter((file) => !file.endsWith('.spec.ts'))
    .flatMap((file) =>
      importedNames(file, readFileSync(join(root, file), 'utf8'))
        .filter(({ name }) => name === '*' || foreign.test(name))
        .map(({ name, path }) => ({ rule: 'side-names-its-own', from: file, to: `${name} of ${path}`, why })),
    );
}

interface ImportedName {
  readonly name: string;
  /** Relative to the root folder. */
  readonly path: string;
}

/** The names that a file imports or re-exports from other folders of the project; `*` for all names. */
function importedNames(file: string, text: string): ImportedName[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
  return source.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) return [];
    const specifier = statement.moduleSpecifier;
    if (!specifier || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.')) return [];
    const path = normalize(join(dirname(file), specifier.text));
    return dirname(path) === dirname(file) ? [] : namesOf(statement).map((name) => ({ name, path }));
  });
}

function namesOf(statement: ts.ImportDeclaration | ts.ExportDeclaration): string[] {
  const clause = ts.isImportDeclaration(statement) ? statement.importClause?.namedBindings : statement.exportClause;
  if (clause === undefined) return ts.isExportDeclaration(statement) ? ['*'] : [];
  if (!ts.isNamedImports(clause) && !ts.isNamedExports(clause)) return ['*'];
  return clause.elements.map((element) => (element.propertyName ?? element.name).text);
}
