import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceKeys } from '../src/platform/config/index.js';
import { type CaughtMail } from '@vpn-backend/fake-providers/mail';
import { stopRequested } from './stack/stop-requested.js';
import { projectId, type Stack, startStack } from './stack/stack.js';
import { returnUrl } from './stack/stripe-account.js';

/** `npm start`: runs the whole stack in the foreground until Ctrl-C. Its data is stored in DATA_DIR. */
async function main(): Promise<void> {
  let onSecondSignal = (): void => process.exit(130);
  const requested = stopRequested(() => onSecondSignal());
  const stack = await startStack({ dataDir, env: settings(process.env), stripe: true, echo: true, onMail: saveMail });
  // A second signal ends running requests; the stores still shut down cleanly.
  onSecondSignal = () => void stack.service.kill();
  saveEnvironment(stack);
  console.log(welcome(stack));
  const reason = await Promise.race([requested, stack.service.ended.then(() => 'The service has ended unexpectedly.')]);
  console.log(reason ?? 'Stopping …');
  await stack.stop();
  if (reason !== undefined) process.exitCode = 1;
}

const dataDir = process.env.DATA_DIR || '.data';

const passedSettings = new Set([
  ...serviceKeys,
  'REDIS_URL',
  'IDENTITY_OWNER_DATABASE_URL',
  'NETWORK_OWNER_DATABASE_URL',
]);

function settings(env: NodeJS.ProcessEnv): Record<string, string> {
  const given = Object.entries(env).filter(
    (entry): entry is [string, string] => !!entry[1] && passedSettings.has(entry[0]),
  );
  return { PORT: '3000', METRICS_PORT: '9464', ...Object.fromEntries(given), NODE_ENV: 'development' };
}

/** Lets `npm run admin` find this stack. */
function saveEnvironment(stack: Stack): void {
  const lines = Object.entries(stack.env).map(([key, value]) => `${key}=${value}`);
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, 'service.env'), `${lines.join('\n')}\n`, { mode: 0o600 });
}

/** Saves a mail as a file that a mail program can open, numbered in order of arrival. */
function saveMail({ to, headers, raw }: CaughtMail): void {
  const folder = join(dataDir, 'mail');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${String(readdirSync(folder).length + 1).padStart(5, '0')}.eml`);
  writeFileSync(file, raw, { encoding: 'latin1', mode: 0o600 });
  console.log(`Mail to ${to.join(', ')}: ${headers.subject} (${file})`);
}

function welcome({ service: { url }, firebase, stripe, mail, env }: Stack): string {
  const role = env.SERVICE_ROLE ?? 'all';
  const admin = `${dataDir === '.data' ? '' : `DATA_DIR=${dataDir} `}npm run admin --`;
  const account = `-H 'content-type: application/json' -d '{"email":"ada@example.com","password":"correct horse","returnSecureToken":true}'`;
  const gatekeeper = `
  # sign up a user at the fake Firebase; the idToken of the answer is the user's ID_TOKEN
  curl -s '${firebase.url}/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any' ${account}
  curl -s ${url}/subscription -H "authorization: Bearer $ID_TOKEN"
`;
  const checkout = `'{"planId":"standard","interval":"month","successUrl":"${returnUrl}","cancelUrl":"${returnUrl}"}'`;
  const selling = `
  # sell a plan through the fake Stripe and buy it as the user: open the URL in the answer and pay
  ${admin} plans price standard --stripe ${stripe?.price}
  curl -s ${url}/payment/checkout -H "authorization: Bearer $ID_TOKEN" -H 'content-type: application/json' -d ${checkout}
`;
  const vpn = `npm run -s vpn --`;
  const command = `
  # or use the client's command: the first trial needs a verified address; open the link of the fake Firebase's mail
  ${vpn} login --gatekeeper ${url} --anonymizer ${url} --api-key any --firebase-url ${firebase.url} --email ada@example.com
  ${vpn} trial
  curl -s ${firebase.url}/emulator/v1/projects/${projectId}/oobCodes
  ${vpn} trial
  ${vpn} locations
`;
  const anonymizer = `
  # as an operator, add a location and let a node enrol
  ${admin} locations add de-frankfurt --country DE --city Frankfurt --latitude 50.11 --longitude 8.68
  ${admin} enrolment create de-frankfurt
  curl -s ${url}/vpn/locations
`;
  return `
The service answers at ${url}${role === 'all' ? '' : ` (${role} only)`}
  reference   ${url}/docs
  readiness   ${url}/health/ready
  metrics     http://127.0.0.1:${env.METRICS_PORT}/metrics
  Firebase    ${firebase.url} (a fake with test accounts)
${stripe === undefined ? '' : `  Stripe      ${stripe.url} (a fake: no real money)\n`}${mail === undefined ? '' : `  mails       ${dataDir}/mail (caught, never sent); preview of all mails: ${url}/dev/mail\n`}  data        ${dataDir}

Try next, in another terminal:
  # the keys that both sides publish; a client compares them, so that no user gets a key of their own
  curl -s ${url}/.well-known/private-token-issuer-directory
${role === 'anonymizer' ? '' : gatekeeper}${stripe === undefined ? '' : selling}${role === 'gatekeeper' ? '' : anonymizer}${role === 'all' ? command : ''}
  # the whole demo, on its own stack
  npm run demo

Ctrl-C stops everything.
`;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
