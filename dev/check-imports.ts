import { checkImports } from './import-rules/check.js';

/** `npm run check:imports`: lists every import that ARCHITECTURE.md forbids, with the reason. */
const violations = await checkImports(process.cwd());
for (const { rule, from, to, why } of violations) console.error(`${rule}: ${from} → ${to}\n  ${why}`);
if (violations.length > 0) {
  console.error(`${violations.length} forbidden imports.`);
  process.exitCode = 1;
}
