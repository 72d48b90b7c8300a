import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './load-config.js';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

const common = { NODE_ENV: 'test', TOKEN_ISSUER_NAME: 'issuer.example', TOKEN_ORIGIN: 'vpn.example' };

const gatekeeper = {
  IDENTITY_DATABASE_URL: 'postgresql://vpn_identity:secret@db/vpn',
  IDENTITY_REDIS_URL: 'redis://redis:6379',
  IDENTITY_SECRET_KEY: key(1),
  ISSUER_KEY_ENCRYPTION_KEY: key(2),
  FIREBASE_PROJECT_ID: 'demo-vpn',
};

const anonymizer = {
  NETWORK_DATABASE_URL: 'postgresql://vpn_network:secret@db/vpn',
  NETWORK_REDIS_URL: 'redis://redis:6380',
  NETWORK_SECRET_KEY: key(3),
};

const directory = { ISSUER_DIRECTORY_URL: 'https://issuer.example/.well-known/private-token-issuer-directory' };

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('loadConfig', () => {
  it('returns the settings of the sides that the role serves, and no others', () => {
    const all = loadConfig({ ...common, ...gatekeeper, ...anonymizer });
    expect([all.common.role, all.gatekeeper?.trialDays, all.anonymizer?.redisUrl]).toEqual([
      'all',
      7,
      'redis://redis:6380',
    ]);
    expect(loadConfig({ ...common, ...gatekeeper, SERVICE_ROLE: 'gatekeeper' }).anonymizer).toBeUndefined();
    expect(
      loadConfig({ ...common, ...anonymizer, ...directory, SERVICE_ROLE: 'anonymizer' }).gatekeeper,
    ).toBeUndefined();
  });

  it('freezes the settings deeply', () => {
    const config = loadConfig({ ...common, ...gatekeeper, ...anonymizer });
    expect(() => Object.assign(config.common, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(config.gatekeeper?.firebase ?? {}, { projectId: 'other' })).toThrow(TypeError);
  });

  it('names every bad setting at once, with what was expected and without its value', () => {
    const problems = problemsOf({
      ...common,
      ...gatekeeper,
      PORT: 'eighty',
      TRUST_PROXY: '10.0.0.0/8, everyone',
      CORS_ORIGINS: 'https://app.example.com/path',
      IDENTITY_SECRET_KEY: 'hunter2',
      NETWORK_DATABASE_URL: 'mysql://x',
    });
    const named = problems.map((problem) => /^[A-Z_]+/.exec(problem)?.[0]);
    expect(named.sort()).toEqual([
      'CORS_ORIGINS',
      'IDENTITY_SECRET_KEY',
      'NETWORK_DATABASE_URL',
      'NETWORK_REDIS_URL',
      'NETWORK_SECRET_KEY',
      'PORT',
      'TRUST_PROXY',
    ]);
    expect(problems.join()).not.toMatch(/hunter2|everyone|mysql/);
  });

  it.each([
    ...Object.entries(gatekeeper),
    ['IDENTITY_OWNER_DATABASE_URL', 'postgresql://owner@db/vpn'],
    ['FIREBASE_SERVICE_ACCOUNT', '{}'],
    ['STRIPE_SECRET_KEY', 'sk_test'],
    ['APPLE_KEY', 'x'],
    ['PAYMENT_RETURN_URLS', 'https://app.example.com'],
    ['GOOGLE_APPLICATION_CREDENTIALS', '/etc/firebase.json'],
  ])('refuses %s for an anonymizer', (name, value) => {
    const env = { ...common, ...anonymizer, ...directory, SERVICE_ROLE: 'anonymizer', [name]: value };
    expect(problemsOf(env)).toEqual([expect.stringMatching(`^${name} must not be set`)]);
  });

  it.each([
    ...Object.entries(anonymizer),
    ...Object.entries(directory),
    ['NETWORK_OWNER_DATABASE_URL', 'postgresql://o@db/v'],
  ])('refuses %s for a gatekeeper', (name, value) => {
    const env = { ...common, ...gatekeeper, SERVICE_ROLE: 'gatekeeper', [name]: value };
    expect(problemsOf(env)).toEqual([expect.stringMatching(`^${name} must not be set`)]);
  });

  it('requires ISSUER_DIRECTORY_URL for an anonymizer in its own process', () => {
    expect(problemsOf({ ...common, ...anonymizer, SERVICE_ROLE: 'anonymizer' })).toEqual([
      expect.stringMatching('^ISSUER_DIRECTORY_URL'),
    ]);
  });

  it('accepts LOCATIONS_URL only for a gatekeeper in its own process', () => {
    const where = { LOCATIONS_URL: 'https://vpn.example.com/vpn/locations' };
    const alone = loadConfig({ ...common, ...gatekeeper, ...where, SERVICE_ROLE: 'gatekeeper' });
    expect(alone.gatekeeper?.locationsUrl).toBe(where.LOCATIONS_URL);
    expect(problemsOf({ ...common, ...gatekeeper, ...anonymizer, ...where })).toEqual([
      expect.stringMatching('^LOCATIONS_URL must not be set'),
    ]);
    expect(problemsOf({ ...common, ...anonymizer, ...directory, ...where, SERVICE_ROLE: 'anonymizer' })).toEqual([
      expect.stringMatching('^LOCATIONS_URL must not be set'),
    ]);
  });

  it.each([
    ['NETWORK_SECRET_KEY', 'IDENTITY_SECRET_KEY'],
    ['NETWORK_SECRET_KEY', 'ISSUER_KEY_ENCRYPTION_KEY'],
    ['NETWORK_SECRET_KEY_PREVIOUS', 'IDENTITY_SECRET_KEY'],
    ['ISSUER_KEY_ENCRYPTION_KEY', 'IDENTITY_SECRET_KEY'],
    ['NETWORK_SECRET_KEY_PREVIOUS', 'NETWORK_SECRET_KEY'],
  ])('refuses a %s that equals %s', (name, other) => {
    const env: Record<string, string> = { ...common, ...gatekeeper, ...anonymizer };
    expect(problemsOf({ ...env, [name]: env[other] ?? '' })).toEqual([
      expect.stringMatching(`^${name} must differ from ${other}`),
    ]);
  });

  it.each(['STRIPE_STAND_IN', 'APPLE_STAND_IN', 'FIREBASE_STAND_IN', 'RATE_LIMIT_PERSON_PER_MINUTE'])(
    'refuses %s, which has a new name',
    (name) => {
      expect(problemsOf({ ...common, ...gatekeeper, ...anonymizer, [name]: '1' })).toContainEqual(
        expect.stringMatching(`^${name} has a new name: use `),
      );
    },
  );

  it('requires https for ISSUER_DIRECTORY_URL in production', () => {
    const [name, value] = ['ISSUER_DIRECTORY_URL', directory.ISSUER_DIRECTORY_URL.replace('https', 'http')];
    const env = { ...common, ...anonymizer, SERVICE_ROLE: 'anonymizer', [name]: value };
    expect(problemsOf({ ...env, NODE_ENV: 'development' })).toEqual([]);
    expect(problemsOf({ ...env, NODE_ENV: 'production' })).toEqual([expect.stringMatching(`^${name} must be https`)]);
  });

  it('requires https for MAIL_UNSUBSCRIBE_URL in production', () => {
    const name = 'MAIL_UNSUBSCRIBE_URL';
    const mail = { SMTP_URL: 'smtps://mail.example', MAIL_FROM: 'VPN <a@b.example>', [name]: 'http://id.example/u' };
    const account = JSON.stringify({ client_email: 'a@b.iam.gserviceaccount.com', private_key: 'key' });
    const env = { ...common, ...gatekeeper, ...anonymizer, ...mail, FIREBASE_SERVICE_ACCOUNT: account };
    expect(problemsOf({ ...env, NODE_ENV: 'development' })).toEqual([]);
    expect(problemsOf({ ...env, NODE_ENV: 'production' })).toEqual([expect.stringMatching(`^${name} must be https`)]);
  });

  it.each([
    ['FIREBASE_AUTH_EMULATOR_HOST', '127.0.0.1:9099'],
    ['FIREBASE_API_URL', 'https://127.0.0.1:9443'],
    ['FIREBASE_CA_FILE', '/tmp/ca.pem'],
    ['STRIPE_API_URL', 'http://127.0.0.1:9444'],
    ['APPLE_API_URL', 'http://127.0.0.1:9445'],
    ['APPLE_ROOT_CA_FILE', '/tmp/root.pem'],
  ])('refuses %s in production', (name, value) => {
    const account = JSON.stringify({ client_email: 'a@b.iam.gserviceaccount.com', private_key: 'key' });
    const env = { ...common, ...gatekeeper, ...anonymizer, NODE_ENV: 'production', FIREBASE_SERVICE_ACCOUNT: account };
    expect(problemsOf(env)).toEqual([]);
    expect(problemsOf({ ...env, [name]: value })).toContainEqual(
      expect.stringMatching(`^${name} must not be set in production`),
    );
  });

  describe('payment providers', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const p8 = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const stripe = {
      STRIPE_SECRET_KEY: 'sk_test_x',
      STRIPE_WEBHOOK_SECRET: 'whsec_x',
      PAYMENT_RETURN_URLS: 'https://app.example.com/account',
    };
    const apple = {
      APPLE_BUNDLE_ID: 'com.example.vpn',
      APPLE_APP_ID: '123',
      APPLE_ISSUER_ID: '57246542-96fe-1a63-e053-0824d011072a',
      APPLE_KEY_ID: '2X9R4HXF34',
      APPLE_PRIVATE_KEY: p8,
    };
    const base = { ...common, ...gatekeeper, SERVICE_ROLE: 'gatekeeper' };

    it('can both be absent', () => {
      expect(loadConfig(base).gatekeeper).toMatchObject({ stripe: undefined, apple: undefined });
    });

    it('are read with all their settings, and test mode is recognised', () => {
      const { gatekeeper: side } = loadConfig({
        ...base,
        ...stripe,
        ...apple,
        STRIPE_WEBHOOK_SECRET_PREVIOUS: 'whsec_y',
      });
      expect(side?.stripe).toMatchObject({ livemode: false, webhookSecrets: ['whsec_x', 'whsec_y'] });
      expect(side?.apple).toMatchObject({ environment: 'Production', appId: 123 });
      expect(loadConfig({ ...base, ...stripe, STRIPE_SECRET_KEY: 'rk_live_x' }).gatekeeper?.stripe?.livemode).toBe(
        true,
      );
    });

    it.each([...Object.entries(stripe), ...Object.entries(apple)].filter(([key]) => key !== 'PAYMENT_RETURN_URLS'))(
      'are refused when only %s is set',
      (name, value) => {
        const others = name.startsWith('STRIPE') ? Object.keys(stripe) : Object.keys(apple);
        const named = problemsOf({ ...base, [name]: value }).map((problem) => /^[A-Z_]+/.exec(problem)?.[0]);
        expect(named.sort()).toEqual(others.filter((key) => key !== name).sort());
      },
    );

    it.each([
      ['APPLE_ENVIRONMENT', 'Xcode'],
      ['APPLE_ENVIRONMENT', 'LocalTesting'],
      ['APPLE_PRIVATE_KEY', '/nowhere.p8'],
      ['STRIPE_SECRET_KEY', 'pk_live_x'],
      ['PAYMENT_RETURN_URLS', 'app.example.com'],
      ['STRIPE_API_URL', '127.0.0.1:9444'],
      ['STRIPE_API_URL', 'ftp://127.0.0.1'],
      ['STRIPE_API_URL', 'http://127.0.0.1:9444/v1'],
    ])('refuse %s=%s', (name, value) => {
      expect(problemsOf({ ...base, ...stripe, ...apple, [name]: value })).toEqual([expect.stringMatching(`^${name}:`)]);
    });
  });

  describe('an API URL of a provider', () => {
    it.each([
      ['FIREBASE_API_URL', 'https://127.0.0.1:9443', 'FIREBASE_CA_FILE'],
      ['FIREBASE_CA_FILE', '/tmp/ca.pem', 'FIREBASE_API_URL'],
    ])('needs its certificate file, and the file needs its URL: refuses %s alone', (name, value, other) => {
      expect(problemsOf({ ...common, ...gatekeeper, SERVICE_ROLE: 'gatekeeper', [name]: value })).toEqual([
        `${other} is missing: ${name} is set`,
      ]);
    });

    it.each([
      ['APPLE_API_URL', 'http://127.0.0.1:9445', 'APPLE_ROOT_CA_FILE'],
      ['APPLE_ROOT_CA_FILE', '/tmp/root.pem', 'APPLE_API_URL'],
    ])('needs its root certificate, and the certificate needs its URL: refuses %s alone', (name, value, other) => {
      const env = { ...common, ...gatekeeper, SERVICE_ROLE: 'gatekeeper', [name]: value };
      expect(problemsOf(env)).toContain(`${other} is missing: ${name} is set`);
    });

    it('must be https for Firebase, since its library speaks only TLS', () => {
      const env = { ...common, ...gatekeeper, SERVICE_ROLE: 'gatekeeper', FIREBASE_CA_FILE: '/tmp/ca.pem' };
      expect(problemsOf({ ...env, FIREBASE_API_URL: 'http://127.0.0.1:9443' })).toEqual([
        expect.stringMatching('^FIREBASE_API_URL: expected https'),
      ]);
      expect(loadConfig({ ...env, FIREBASE_API_URL: 'https://127.0.0.1:9443' }).gatekeeper?.firebase.api).toEqual({
        url: 'https://127.0.0.1:9443',
        caFile: '/tmp/ca.pem',
      });
    });
  });

  it('requires FIREBASE_SERVICE_ACCOUNT in production, to ask for revoked sign-ins', () => {
    expect(problemsOf({ ...common, ...gatekeeper, ...anonymizer, NODE_ENV: 'production' })).toEqual([
      expect.stringMatching('^FIREBASE_SERVICE_ACCOUNT is missing'),
    ]);
  });

  it('names what production refuses together with everything else that is wrong', () => {
    const problems = problemsOf({
      SERVICE_ROLE: 'gatekeeper',
      ...gatekeeper,
      FIREBASE_API_URL: 'https://127.0.0.1:1',
      FIREBASE_CA_FILE: '/tmp/ca.pem',
    });
    expect(problems.map((problem) => /^[A-Z_]+/.exec(problem)?.[0]).sort()).toEqual([
      'FIREBASE_API_URL',
      'FIREBASE_CA_FILE',
      'FIREBASE_SERVICE_ACCOUNT',
      'TOKEN_ISSUER_NAME',
      'TOKEN_ORIGIN',
    ]);
  });

  it('treats an unset NODE_ENV as production', () => {
    const { NODE_ENV: _, ...rest } = { ...common, ...gatekeeper, ...anonymizer, FIREBASE_AUTH_EMULATOR_HOST: 'x:1' };
    expect(problemsOf(rest)).toContainEqual(expect.stringMatching('^FIREBASE_AUTH_EMULATOR_HOST'));
  });
});
