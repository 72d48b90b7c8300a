import { execFileSync } from 'node:child_process';
import { relative } from 'node:path';
import pg from 'pg';
import { modelFile, readModel, sides, withSchemaEngine } from '../src/prisma/migrate/index.js';
import { startServices } from './services/index.js';

/**
 * Prints for each side the SQL that migrates from the committed model to the edited one: the draft of a new
 * `prisma/<side>/migrations/<UTC timestamp>_<what>/migration.sql`. With `--from-empty`, it starts from an empty database.
 */
const fromEmpty = process.argv.includes('--from-empty');

function committedModel(file: string): string | undefined {
  if (fromEmpty) return undefined;
  return execFileSync('git', ['show', `HEAD:./${relative(process.cwd(), file)}`], { encoding: 'utf8' });
}

const services = await startServices();
const pool = new pg.Pool({ connectionString: services.ownerUrl });
try {
  for (const side of sides) {
    const model = readModel(side);
    const sql = await withSchemaEngine(pool, side, model, (engine) =>
      engine.diff(committedModel(modelFile(side)), model),
    );
    console.log(`-- ${side}\n\n${sql}`);
  }
} finally {
  await pool.end();
  await services.stop();
}
