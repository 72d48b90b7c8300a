import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceKeys } from '../src/config/index.js';
import { type Stack, startStack } from './stack/stack.js';

/** `npm start`: the whole stack in the foreground, its data kept in DATA_DIR, until Ctrl-C. */
async function main(): Promise<void> {
  const dataDir = process.env.DATA_DIR ?? '.data';
  const stop = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const stack = await startStack({ dataDir, env: settings(process.env), echo: true });
  rememberEnvironment(stack, dataDir);
  console.log(welcome(stack, dataDir));
  await Promise.race([stop, stack.service.ended]);
  console.log('Stopping …');
  await stack.stop();
}

const passedOn = new Set([...serviceKeys, 'REDIS_URL', 'IDENTITY_OWNER_DATABASE_URL', 'NETWORK_OWNER_DATABASE_URL']);

function settings(env: NodeJS.ProcessEnv): Record<string, string> {
  const given = Object.entries(env).filter((entry): entry is [string, string] => !!entry[1] && passedOn.has(entry[0]));
  return { PORT: '3000', METRICS_PORT: '9464', ...Object.fromEntries(given), NODE_ENV: 'development' };
}

/** So that `npm run admin` beside this stack finds it. */
function rememberEnvironment(stack: Stack, dataDir: string): void {
  const lines = Object.entries(stack.env).map(([key, value]) => `${key}=${value}`);
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, 'service.env'), `${lines.join('\n')}\n`, { mode: 0o600 });
}

function welcome({ service, firebase, env }: Stack, dataDir: string): string {
  return `
The service answers at ${service.url}
  reference   ${service.url}/docs
  readiness   ${service.url}/health/ready
  metrics     http://127.0.0.1:${env.METRICS_PORT}/metrics
  Firebase    ${firebase.url} (a stand-in: accounts here are nobody's)
  data        ${dataDir}

Try next, in another terminal:
  curl -s ${service.url}/.well-known/private-token-issuer-directory
  npm run admin -- locations add de-frankfurt --country DE --city Frankfurt --latitude 50.11 --longitude 8.68
  npm run admin -- enrolment create de-frankfurt
  npm run demo        the whole journey, on a stack of its own

Ctrl-C stops everything.
`;
}

await main();
