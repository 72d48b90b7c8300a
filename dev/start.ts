import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serviceKeys } from '../src/platform/config/index.js';
import { type CaughtMail } from '@vpn-backend/fake-providers/mail';
import { askedToStop } from './stack/asked-to-stop.js';
import { projectId, type Stack, startStack } from './stack/stack.js';
import { returnUrl } from './stack/stripe-account.js';

/** `npm start`: the whole stack in the foreground, its data kept in DATA_DIR, until Ctrl-C. */
async function main(): Promise<void> {
  let hurry = (): void => process.exit(130);
  const asked = askedToStop(() => hurry());
  const stack = await startStack({ dataDir, env: settings(process.env), stripe: true, echo: true, onMail: keepMail });
  // Asked twice, it does not wait for running requests; the stores still end in good order.
  hurry = () => void stack.service.kill();
  rememberEnvironment(stack);
  console.log(welcome(stack));
  const reason = await Promise.race([asked, stack.service.ended.then(() => 'The service has ended by itself.')]);
  console.log(reason ?? 'Stopping …');
  await stack.stop();
  if (reason !== undefined) process.exitCode = 1;
}

const dataDir = process.env.DATA_DIR || '.data';

const passedOn = new Set([...serviceKeys, 'REDIS_URL', 'IDENTITY_OWNER_DATABASE_URL', 'NETWORK_OWNER_DATABASE_URL']);

function settings(env: NodeJS.ProcessEnv): Record<string, string> {
  const given = Object.entries(env).filter((entry): entry is [string, string] => !!entry[1] && passedOn.has(entry[0]));
  return { PORT: '3000', METRICS_PORT: '9464', ...Object.fromEntries(given), NODE_ENV: 'development' };
}

/** So that `npm run admin` beside this stack finds it. */
function rememberEnvironment(stack: Stack): void {
  const lines = Object.entries(stack.env).map(([key, value]) => `${key}=${value}`);
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(join(dataDir, 'service.env'), `${lines.join('\n')}\n`, { mode: 0o600 });
}

/** As files that a mail program opens; their number is the order they came in. */
function keepMail({ to, headers, raw }: CaughtMail): void {
  const folder = join(dataDir, 'mail');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${String(readdirSync(folder).length + 1).padStart(5, '0')}.eml`);
  writeFileSync(file, raw, { encoding: 'latin1', mode: 0o600 });
  console.log(`A mail to ${to.join(', ')}: ${headers.subject} (${file})`);
}

function welcome({ service: { url }, firebase, stripe, mail, env }: Stack): string {
  const role = env.SERVICE_ROLE ?? 'all';
  const admin = `${dataDir === '.data' ? '' : `DATA_DIR=${dataDir} `}npm run admin --`;
  const account = `-H 'content-type: application/json' -d '{"email":"ada@example.com","password":"correct horse","returnSecureToken":true}'`;
  const gatekeeper = `
  # sign up a user at the fake Firebase, and send the idToken of its answer
  curl -s '${firebase.url}/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any' ${account}
  curl -s ${url}/subscription -H "authorization: Bearer $ID_TOKEN"
`;
  const checkout = `'{"planId":"standard","interval":"month","successUrl":"${returnUrl}","cancelUrl":"${returnUrl}"}'`;
  const selling = `
  # sell a plan through the fake Stripe, and buy it as the user: open the url of the answer and pay
  ${admin} plans price standard --stripe ${stripe?.price}
  curl -s ${url}/payment/checkout -H "authorization: Bearer $ID_TOKEN" -H 'content-type: application/json' -d ${checkout}
`;
  const vpn = `npm run -s vpn --`;
  const command = `
  # or by the client's command: the first trial asks for proof of the address, which is a link in the mail of the fake Firebase
  ${vpn} login --gatekeeper ${url} --anonymizer ${url} --api-key any --firebase-url ${firebase.url} --email ada@example.com
  ${vpn} trial
  curl -s ${firebase.url}/emulator/v1/projects/${projectId}/oobCodes
  ${vpn} trial
  ${vpn} locations
`;
  const anonymizer = `
  # an operator offers a location, and lets a node join
  ${admin} locations add de-frankfurt --country DE --city Frankfurt --latitude 50.11 --longitude 8.68
  ${admin} enrolment create de-frankfurt
  curl -s ${url}/vpn/locations
`;
  return `
The service answers at ${url}${role === 'all' ? '' : ` (${role} alone)`}
  reference   ${url}/docs
  readiness   ${url}/health/ready
  metrics     http://127.0.0.1:${env.METRICS_PORT}/metrics
  Firebase    ${firebase.url} (a fake: its accounts are for tests)
${stripe === undefined ? '' : `  Stripe      ${stripe.url} (a fake: no real money)\n`}${mail === undefined ? '' : `  mails       ${dataDir}/mail (caught, never sent); how all of them look: ${url}/dev/mail\n`}  data        ${dataDir}

Try next, in another terminal:
  # the keys that both sides publish, so that nobody can be given a key of their own
  curl -s ${url}/.well-known/private-token-issuer-directory
${role === 'anonymizer' ? '' : gatekeeper}${stripe === undefined ? '' : selling}${role === 'gatekeeper' ? '' : anonymizer}${role === 'all' ? command : ''}
  # the whole journey, on a stack of its own
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
