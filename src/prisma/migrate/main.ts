import { migrate } from './migrate.js';
import { type MigrateOptions, sides } from './index.js';

/**
 * `npm run db:migrate`: migrates each side whose two URLs are set.
 *   IDENTITY_OWNER_DATABASE_URL and IDENTITY_DATABASE_URL
 *   NETWORK_OWNER_DATABASE_URL and NETWORK_DATABASE_URL
 */
function readTasks(env: NodeJS.ProcessEnv): MigrateOptions[] {
  const missing: string[] = [];
  const tasks = sides.flatMap((side) => {
    const keys = [`${side.toUpperCase()}_OWNER_DATABASE_URL`, `${side.toUpperCase()}_DATABASE_URL`] as const;
    const [ownerUrl = '', runtimeUrl = ''] = keys.map((key) => env[key]);
    if (ownerUrl === '' && runtimeUrl === '') return [];
    if (ownerUrl === '') missing.push(keys[0]);
    if (runtimeUrl === '') missing.push(keys[1]);
    return [{ side, ownerUrl, runtimeUrl }];
  });
  if (missing.length > 0) throw new Error(`${missing.join(' and ')} must be set as well.`);
  if (tasks.length > 0) return tasks;
  throw new Error(
    'Nothing to migrate. Set IDENTITY_OWNER_DATABASE_URL and IDENTITY_DATABASE_URL, or NETWORK_OWNER_DATABASE_URL and NETWORK_DATABASE_URL, or all four.',
  );
}

try {
  for (const task of readTasks(process.env)) {
    const applied = await migrate(task);
    process.stdout.write(`${task.side}: ${applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`}\n`);
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
