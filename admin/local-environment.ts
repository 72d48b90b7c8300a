import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Loads the environment of `npm start`. Does nothing in a deployment, where the environment is already set. */
export function loadLocalEnvironment(env: NodeJS.ProcessEnv = process.env): void {
  const isSet = env.IDENTITY_DATABASE_URL !== undefined || env.NETWORK_DATABASE_URL !== undefined;
  const file = join(env.DATA_DIR ?? '.data', 'service.env');
  if (!isSet && existsSync(file)) process.loadEnvFile(file);
}
