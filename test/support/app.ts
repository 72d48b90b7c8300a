import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FakeFirebase } from '@vpn-backend/fake-providers/firebase';
import { createApp, drain, serve } from '../../src/app.js';
import { type AppConfig, type Clock, loadConfig } from '../../src/platform/config/index.js';
import { type TestStack } from './stack.js';

/** The service running in the test process: it listens on a free port, and its clock may be the test's. */
export interface TestApp {
  readonly app: NestFastifyApplication;
  readonly config: AppConfig;
  readonly url: string;
  stop(): Promise<void>;
}

export type Env = Readonly<Record<string, string | undefined>>;

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

export const publicSettings: Env = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'silent',
  PORT: '0',
  METRICS_PORT: '0',
  TOKEN_ISSUER_NAME: 'issuer.example',
  TOKEN_ORIGIN: 'vpn.example',
};

/** @param firebase the service accepts its ID tokens; without it, the service refuses every ID token */
export function gatekeeperEnv(stack: Pick<TestStack, 'identityUrl' | 'redisUrl'>, firebase?: FakeFirebase): Env {
  return {
    FIREBASE_API_URL: firebase?.tls.url,
    FIREBASE_CA_FILE: firebase?.tls.caFile,
    IDENTITY_DATABASE_URL: stack.identityUrl,
    IDENTITY_REDIS_URL: stack.redisUrl,
    IDENTITY_SECRET_KEY: key(1),
    ISSUER_KEY_ENCRYPTION_KEY: key(2),
    FIREBASE_PROJECT_ID: 'demo-vpn',
    RATE_LIMIT_USER_PER_MINUTE: '0',
    RATE_LIMIT_IDENTITY_ADDRESS_PER_MINUTE: '0',
  };
}

export function anonymizerEnv(stack: Pick<TestStack, 'networkUrl' | 'redisUrl'>): Env {
  return {
    NETWORK_DATABASE_URL: stack.networkUrl,
    NETWORK_REDIS_URL: stack.redisUrl,
    NETWORK_SECRET_KEY: key(3),
    RATE_LIMIT_NETWORK_ADDRESS_PER_MINUTE: '0',
    RATE_LIMIT_NODE_PER_MINUTE: '0',
  };
}

/** @param env `gatekeeperEnv`, `anonymizerEnv` or both, which selects the role, and the settings that the test changes */
export async function startTestApp(env: Env, clock?: Clock): Promise<TestApp> {
  const config = loadConfig({ ...publicSettings, ...env });
  const app = await createApp(config, clock);
  try {
    const port = await serve(app, config);
    return { app, config, url: `http://127.0.0.1:${port}`, stop: () => drain(app, config.common) };
  } catch (error) {
    await app.close();
    throw error;
  }
}
