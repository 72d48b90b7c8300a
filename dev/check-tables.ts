import { checkTableOwners } from './table-owners/check.js';
import { tableRules } from './table-owners/owners.js';

/** `npm run check:tables`: lists every write to a table by a module that does not own it. */
const violations = checkTableOwners(process.cwd(), tableRules);
for (const { where, what, instead } of violations) console.error(`${where}: ${what}\n  ${instead}`);
if (violations.length > 0) {
  console.error(`${violations.length} violations of the table owners in ARCHITECTURE.md.`);
  process.exitCode = 1;
}
