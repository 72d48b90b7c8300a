import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Beside `npm start`, its environment; in a deployment the environment is given, and nothing is read. */
export function loadLocalEnvironment(env: NodeJS.ProcessEnv = process.env): void {
  const isGiven = env.IDENTITY_DATABASE_URL !== undefined || env.NETWORK_DATABASE_URL !== undefined;
  const file = join(env.DATA_DIR ?? '.data', 'service.env');
  if (!isGiven && existsSync(file)) process.loadEnvFile(file);
}
