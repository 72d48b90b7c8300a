import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { halves, type Sides } from './sides.js';

export interface Violation {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
  /** Why the rule exists, and what to do instead. */
  readonly why: string;
}

const why =
  "Platform folders that serve both sides name what is a side's own after it (AnonymizerRedis, GATEKEEPER_CONFIG). Import only your own side's, each by its name.";

/**
 * Some platform folders hold something for each side: a Redis, a logger, a slice of the configuration. Folders cannot tell
 * them apart, names can: the other side's begin with its name.
 */
export function foreignNames(root: string, sides: Sides): Violation[] {
  return [
    ...search(root, [...sides.gatekeeper, ...halves.gatekeeper], 'gatekeeper', /^(anonymizer|network)/i),
    ...search(root, [...sides.anonymizer, ...halves.anonymizer], 'anonymizer', /^(gatekeeper|identity)/i),
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
  /** Relative to the root. */
  readonly path: string;
}

/** What a file imports or re-exports from other folders of the project; `*` stands for everything. */
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
