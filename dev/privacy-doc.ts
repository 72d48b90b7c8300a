import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readModel, sides } from '../src/prisma/migrate/index.js';
import { readTables } from './prisma-comments.js';

const file = 'docs/privacy.md';

const owners = { identity: 'the gatekeeper, which knows users', network: 'the anonymizer, which knows no user' };

/** Renders the page from its hand-written head and the comments of both schemas. */
export function renderPrivacyPage(): string {
  const head = readFileSync('docs/privacy-head.md', 'utf8').trim();
  const chapters = sides.map((side) => {
    const tables = readTables(readModel(side)).map(({ name, comment, columns }) => {
      const rows = columns.map(({ name: column, comment: why }) => `| \`${column}\` | ${why.replaceAll('|', '\\|')} |`);
      return [`### ${name}`, '', comment, '', '| column | why, and until when |', '|---|---|', ...rows].join('\n');
    });
    return [`## Database \`${side}\`: ${owners[side]}`, ...tables].join('\n\n');
  });
  return `${[head, ...chapters].join('\n\n')}\n`;
}

/** `npm run docs:privacy` writes the page; `--check` compares it with the schemas. */
function main(check: boolean): void {
  const text = renderPrivacyPage();
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${file} does not match prisma/*/schema.prisma. Run npm run docs:privacy, and review what changed.`);
    process.exitCode = 1;
  }
}

if (import.meta.main) main(process.argv.includes('--check'));
