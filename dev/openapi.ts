import 'reflect-metadata';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createApp } from '../src/app.js';
import { type AppConfig, loadConfig } from '../src/platform/config/index.js';
import { describeApi } from '../src/platform/http/index.js';

const file = 'openapi.json';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

/** Both sides, with stores that nothing here connects to. */
export const sampleConfig = (): AppConfig =>
  loadConfig({
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    TOKEN_ISSUER_NAME: 'issuer.example',
    TOKEN_ORIGIN: 'vpn.example',
    IDENTITY_DATABASE_URL: 'postgresql://nobody:nothing@127.0.0.1:1/none',
    IDENTITY_REDIS_URL: 'redis://127.0.0.1:1',
    IDENTITY_SECRET_KEY: key(1),
    ISSUER_KEY_ENCRYPTION_KEY: key(2),
    FIREBASE_PROJECT_ID: 'demo-vpn',
    NETWORK_DATABASE_URL: 'postgresql://nobody:nothing@127.0.0.1:1/none',
    NETWORK_REDIS_URL: 'redis://127.0.0.1:1',
    NETWORK_SECRET_KEY: key(3),
  });

/** The API as the code says it is, in the text that `openapi.json` must hold. */
export async function renderOpenApi(): Promise<string> {
  const app = await createApp(sampleConfig());
  try {
    return `${JSON.stringify(describeApi(app), null, 2)}\n`;
  } finally {
    await app.close();
  }
}

/** `npm run openapi` writes the file; `npm run check:openapi` (`--check`) says whether it is what the code says. */
async function main(check: boolean): Promise<void> {
  const text = await renderOpenApi();
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${file} is not what the code says. Run npm run openapi, and read what changed in the API.`);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main(process.argv.includes('--check'));
