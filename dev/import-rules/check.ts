import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { importRules } from './rules.js';
import { foreignNames, type Violation } from './side-names.js';
import { readSides } from './sides.js';

const folders = ['src', 'admin', 'dev', 'test', 'bench', 'packages'];

/**
 * Finds every import in a tree that ARCHITECTURE.md forbids.
 *
 * @param root the folder that contains `src/`
 */
export async function checkImports(root: string): Promise<Violation[]> {
  const sides = readSides(root);
  const undecided = sides.undecided.map((folder) => ({
    rule: 'every-folder-has-a-side',
    from: `src/${folder}`,
    to: 'nothing',
    why: 'Import it in src/gatekeeper.module.ts or in src/anonymizer.module.ts, or declare it as platform in dev/import-rules/sides.ts.',
  }));
  const forbidden = importRules(sides);
  const { output } = await cruise(
    folders.filter((folder) => existsSync(join(root, folder))),
    {
      baseDir: root,
      validate: true,
      ruleSet: { forbidden },
      tsPreCompilationDeps: true,
      doNotFollow: { path: ['node_modules', '/generated/'] },
      exclude: { path: ['(^|/)dist/'] },
    },
    { conditionNames: ['vpn-source', 'import', 'node', 'default'], exportsFields: ['exports'] },
  );
  const reasons = new Map(forbidden.map(({ name, comment }) => [name, comment]));
  const forbiddenImports = (output as ICruiseResult).summary.violations.map(({ rule, from, to, cycle }) => ({
    rule: rule.name,
    from,
    to: cycle?.map(({ name }) => name).join(' → ') ?? to,
    why: reasons.get(rule.name) ?? '',
  }));
  return [...undecided, ...forbiddenImports, ...foreignNames(root, sides)];
}
