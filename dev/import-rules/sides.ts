import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Folders of `src/` that know neither users nor connections. A new folder is added here, or belongs to a side. */
export const platform = ['crypto', 'logger', 'platform', 'prisma'];

/** Folders inside platform that belong to one side. */
export const sideFolders = {
  gatekeeper: ['crypto/issuer', 'platform/audit', 'platform/jobs', 'prisma/identity'],
  anonymizer: ['crypto/verifier', 'prisma/network'],
} as const;

/** The folders of `src/` by side. */
export interface Sides {
  readonly gatekeeper: readonly string[];
  readonly anonymizer: readonly string[];
  /** On both sides, or on neither side and not platform: it is not decided what such a folder may know. */
  readonly undecided: readonly string[];
}

/**
 * Reads the sides from the imports of `gatekeeper.module.ts` and `anonymizer.module.ts`. So no second list can be forgotten: a
 * new folder fails the check until a side's module imports it.
 *
 * @param root the folder that contains `src/`
 */
export function readSides(root: string): Sides {
  const source = join(root, 'src');
  const gatekeeper = importedFolders(join(source, 'gatekeeper.module.ts'));
  const anonymizer = importedFolders(join(source, 'anonymizer.module.ts'));
  const folders = readdirSync(source).filter((name) => statSync(join(source, name)).isDirectory());
  const sideCount = (name: string) => [platform, gatekeeper, anonymizer].filter((list) => list.includes(name)).length;
  return { gatekeeper, anonymizer, undecided: folders.filter((name) => sideCount(name) !== 1) };
}

function importedFolders(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'));
  const folders = importedFiles.map(({ fileName }) => /^\.\/([^/]+)\//.exec(fileName)?.[1] ?? '');
  return [...new Set(folders)].filter((name) => name !== '' && !platform.includes(name));
}
