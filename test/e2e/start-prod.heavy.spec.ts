import { execFile, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { endWithThisProcess } from '../../dev/services/reaper.js';
import { createTestStack } from '../support/stack.js';

// `npm run start:prod` as an operator runs it. load-config.spec.ts tests each setting that is refused.

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');
const account = JSON.stringify({ client_email: 'a@b.iam.gserviceaccount.com', private_key: 'a private key' });

const common = { TOKEN_ISSUER_NAME: 'id.example.com', TOKEN_ORIGIN: 'vpn.example.com', PORT: '0', METRICS_PORT: '0' };
const gatekeeper = {
  IDENTITY_DATABASE_URL: 'postgresql://vpn_identity:hunter2@127.0.0.1:1/vpn',
  IDENTITY_REDIS_URL: 'redis://127.0.0.1:1',
  IDENTITY_SECRET_KEY: key(1),
  ISSUER_KEY_ENCRYPTION_KEY: key(2),
  FIREBASE_PROJECT_ID: 'my-project',
  FIREBASE_SERVICE_ACCOUNT: account,
};
const anonymizer = {
  NETWORK_DATABASE_URL: 'postgresql://vpn_network:hunter2@127.0.0.1:1/vpn',
  NETWORK_REDIS_URL: 'redis://127.0.0.1:1',
  NETWORK_SECRET_KEY: key(3),
};

type Env = Readonly<Record<string, string>>;

/** Runs the command until it exits. @returns its exit code and output */
async function startProd(env: Env): Promise<{ code: unknown; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; output: string }>();
  const environment = { PATH: process.env['PATH'], ...env };
  execFile(process.execPath, ['dev/run.mjs', 'start:prod'], { env: environment }, (error, stdout, stderr) =>
    resolve({ code: error?.code ?? 0, output: stdout + stderr }),
  );
  return promise;
}

const namedIn = (output: string) => [...output.matchAll(/^ {2}([A-Z_]+)/gm)].map(([, name]) => name).sort();

describe('npm run start:prod refuses', { timeout: 120_000 }, () => {
  it.each<[string, Env, string[]]>([
    [
      'an empty environment',
      {},
      [...Object.keys({ ...gatekeeper, ...anonymizer }), 'TOKEN_ISSUER_NAME', 'TOKEN_ORIGIN'],
    ],
    [
      'fake providers, even with NODE_ENV=development',
      {
        ...{ ...common, ...gatekeeper, ...anonymizer, NODE_ENV: 'development' },
        ...{ FIREBASE_API_URL: 'https://127.0.0.1:9443', FIREBASE_CA_FILE: '/tmp/ca.pem' },
        FIREBASE_AUTH_EMULATOR_HOST: '127.0.0.1:9099',
      },
      ['FIREBASE_API_URL', 'FIREBASE_AUTH_EMULATOR_HOST', 'FIREBASE_CA_FILE'],
    ],
  ])('%s', async (_name, env, names) => {
    const { code, output } = await startProd(env);
    expect(code).toBe(1);
    expect(namedIn(output)).toEqual(names.sort());
    expect(output).not.toMatch(/hunter2|a private key/);
  });
});

describe('npm run start:prod', { timeout: 120_000 }, () => {
  it('serves both sides with only the settings of an operator, and exits on SIGTERM', async () => {
    const stack = await createTestStack();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const serviceAccount = {
      client_email: 'a@b.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
    const env = {
      ...{ ...common, ...gatekeeper, ...anonymizer },
      FIREBASE_SERVICE_ACCOUNT: JSON.stringify(serviceAccount),
      ...{ IDENTITY_DATABASE_URL: stack.identityUrl, IDENTITY_REDIS_URL: stack.redisUrl },
      ...{ NETWORK_DATABASE_URL: stack.networkUrl, NETWORK_REDIS_URL: stack.redisUrl },
    };
    const child = spawn(process.execPath, ['dev/run.mjs', 'start:prod'], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    endWithThisProcess(child.pid, 'SIGTERM');
    try {
      const ended = once(child, 'exit');
      const url = `http://127.0.0.1:${await portOf(child.stdout)}`;
      const ready = await fetch(`${url}/health/ready`);
      expect(await ready.json()).toEqual({ status: 'ready', down: [] });
      expect((await fetch(`${url}/vpn/locations`)).status).toBe(200);
      const unauthorized = await fetch(`${url}/subscription`, { headers: { authorization: 'Bearer x.y.z' } });
      expect(unauthorized.status).toBe(401);
      child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
      await stack.stop();
    }
  });
});

/** The port in the service's log. */
async function portOf(log: NodeJS.ReadableStream): Promise<number> {
  for await (const line of createInterface(log)) {
    const { msg, port } = JSON.parse(line) as { msg: string; port?: number };
    if (msg === 'serving' && port !== undefined) {
      log.resume();
      return port;
    }
  }
  throw new Error('The service exited before it served requests.');
}
