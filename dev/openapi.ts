import 'reflect-metadata';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createApp } from '../src/app.js';
import { type AppConfig, loadConfig } from '../src/platform/config/index.js';
import { describeApi } from '../src/platform/http/index.js';

const file = 'openapi.json';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

/** A configuration of both sides. Nothing here connects to its stores. */
export const sampleConfig = (): AppConfig =>
  loadConfig({
    NODE_ENV: 'test',
    LOG_LEVEL: 'silent',
    TOKEN_ISSUER_NAME: 'issuer.example',
    TOKEN_ORIGIN: 'vpn.example',
    IDENTITY_DATABASE_URL: 'postgresql://vpn:none@127.0.0.1:1/none',
    IDENTITY_REDIS_URL: 'redis://127.0.0.1:1',
    IDENTITY_SECRET_KEY: key(1),
    ISSUER_KEY_ENCRYPTION_KEY: key(2),
    FIREBASE_PROJECT_ID: 'demo-vpn',
    NETWORK_DATABASE_URL: 'postgresql://vpn:none@127.0.0.1:1/none',
    NETWORK_REDIS_URL: 'redis://127.0.0.1:1',
    NETWORK_SECRET_KEY: key(3),
  });

/** Generates the text of `openapi.json` from the code. */
export async function renderOpenApi(): Promise<string> {
  const app = await createApp(sampleConfig());
  try {
    return `${JSON.stringify(describeApi(app), null, 2)}\n`;
  } finally {
    await app.close();
  }
}

/** `npm run openapi` writes the file; `npm run check:openapi` (`--check`) compares it with the code. */
async function main(check: boolean): Promise<void> {
  const text = await renderOpenApi();
  if (!check) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${file} does not match the code. Run npm run openapi, and review what changed in the API.`);
    process.exitCode = 1;
  }
}

if (import.meta.main) await main(process.argv.includes('--check'));
