import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@hey-api/openapi-ts';

const source = 'openapi.json';
const file = 'packages/client/src/api.gen.ts';

/** The parts of the API that the SDK uses. */
const tags = ['keys', 'auth', 'subscription', 'account', 'preferences', 'vpn'];

/** Generates the client's types from `openapi.json`. */
export async function renderClientTypes(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'vpn-client-types-'));
  try {
    await createClient({
      input: source,
      output: folder,
      plugins: ['@hey-api/typescript'],
      parser: { filters: { tags: { include: tags } } },
      logs: { level: 'silent', file: false },
    });
    return readFileSync(join(folder, 'types.gen.ts'), 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the file; with `--check`, compares it with `openapi.json` instead. */
async function main(check: boolean): Promise<void> {
  const text = await renderClientTypes();
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${file} does not match ${source}. Run npm run openapi.`);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main(process.argv.includes('--check'));
