import { checkTableOwners } from './table-owners/check.js';
import { tableRules } from './table-owners/owners.js';

/** `npm run check:tables`: names every write of a table by a module that does not own it. */
const violations = checkTableOwners(process.cwd(), tableRules);
for (const { where, what, instead } of violations) console.error(`${where}: ${what}\n  ${instead}`);
if (violations.length > 0) {
  console.error(`${violations.length} violations of what ARCHITECTURE.md says of the owners of tables.`);
  process.exitCode = 1;
}
