import { execFile } from 'node:child_process';
import { describe, expect, it } from 'vitest';

// `npm run start:prod` as an operator runs it, with settings that it must refuse.

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
const directory = { ISSUER_DIRECTORY_URL: 'https://id.example.com/.well-known/private-token-issuer-directory' };

type Env = Readonly<Record<string, string>>;

/** How it ends, and what it says on its way. */
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
    ['nothing at all', {}, [...Object.keys({ ...gatekeeper, ...anonymizer }), 'TOKEN_ISSUER_NAME', 'TOKEN_ORIGIN']],
    [
      'stand-ins, also where the environment speaks of development',
      {
        ...{ ...common, ...gatekeeper, ...anonymizer, NODE_ENV: 'development' },
        ...{ FIREBASE_STAND_IN: '127.0.0.1:9443,/tmp/ca.pem', FIREBASE_AUTH_EMULATOR_HOST: '127.0.0.1:9099' },
      },
      ['FIREBASE_AUTH_EMULATOR_HOST', 'FIREBASE_STAND_IN'],
    ],
    [
      'a gatekeeper that holds what is the anonymizer’s',
      { ...common, ...gatekeeper, ...anonymizer, ...directory, SERVICE_ROLE: 'gatekeeper' },
      [...Object.keys(anonymizer), ...Object.keys(directory)],
    ],
    [
      'an anonymizer that holds what is the gatekeeper’s, and knows no keys',
      { ...common, ...gatekeeper, ...anonymizer, SERVICE_ROLE: 'anonymizer' },
      [...Object.keys(gatekeeper), 'ISSUER_DIRECTORY_URL'],
    ],
    [
      'every setting that it cannot read',
      {
        ...common,
        ...gatekeeper,
        ...anonymizer,
        PORT: '70000',
        TRUST_PROXY: 'all',
        NETWORK_SECRET_KEY: 'hunter2',
        SERVICE_ROLE: 'both',
      },
      ['NETWORK_SECRET_KEY', 'PORT', 'SERVICE_ROLE', 'TRUST_PROXY'],
    ],
  ])('%s', async (_name, env, names) => {
    const { code, output } = await startProd(env);
    expect(code).toBe(1);
    expect(namedIn(output)).toEqual(names.sort());
    expect(output).not.toMatch(/hunter2|a private key/);
  });
});
