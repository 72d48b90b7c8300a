import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** Folders of `src/` that know neither people nor traffic. A new one is declared here, or belongs to a side. */
export const platform = ['crypto', 'logger', 'platform', 'prisma'];

/** What platform has for one side alone. */
export const halves = {
  gatekeeper: ['crypto/issuer', 'platform/audit', 'platform/jobs', 'prisma/identity'],
  anonymizer: ['crypto/verifier', 'prisma/network'],
} as const;

/** The folders of `src/`, by the side that they serve. */
export interface Sides {
  readonly gatekeeper: readonly string[];
  readonly anonymizer: readonly string[];
  /** On both sides, on neither and not platform: whichever it is, nobody has decided what it may know. */
  readonly undecided: readonly string[];
}

/**
 * Reads the sides from what `gatekeeper.module.ts` and `anonymizer.module.ts` import. There is no second list to forget: a
 * new folder is on a side once that side's module imports it, and fails the check until then.
 *
 * @param root the folder that holds `src/`
 */
export function readSides(root: string): Sides {
  const source = join(root, 'src');
  const gatekeeper = importedFolders(join(source, 'gatekeeper.module.ts'));
  const anonymizer = importedFolders(join(source, 'anonymizer.module.ts'));
  const folders = readdirSync(source).filter((name) => statSync(join(source, name)).isDirectory());
  const homes = (name: string) => [platform, gatekeeper, anonymizer].filter((home) => home.includes(name)).length;
  return { gatekeeper, anonymizer, undecided: folders.filter((name) => homes(name) !== 1) };
}

function importedFolders(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'));
  const folders = importedFiles.map(({ fileName }) => /^\.\/([^/]+)\//.exec(fileName)?.[1] ?? '');
  return [...new Set(folders)].filter((name) => name !== '' && !platform.includes(name));
}
