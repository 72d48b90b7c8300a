import { type Command } from 'commander';
import { adviceFor } from '../../advice.js';
import { type Context } from '../context.js';
import { CommandError, exitCodes } from '../failures.js';
import { localTime, type Output, printResult, tokenCount, withProgress } from '../output.js';
import { removeSession, type SignedIn, type StoredSession, writeSession } from '../session.js';
import { rememberAccount, type Settings, writeSettings } from '../settings.js';

interface LoginOptions extends Output {
  readonly email?: string;
  readonly idToken: boolean;
  readonly gatekeeper?: string;
  readonly anonymizer?: string;
  readonly apiKey?: string;
  readonly firebaseUrl?: string;
}

export function addSignInCommands(program: Command, context: Context): void {
  program
    .command('login')
    .description('Sign in; the session is stored in a file readable only by you')
    .option('--email <address>', 'E-mail address (default: ask for it)')
    .option('--id-token', 'Sign in with a pasted Firebase ID token, valid for an hour', false)
    .option('--gatekeeper <url>', 'URL of the gatekeeper; remembered (VPN_GATEKEEPER_URL)')
    .option('--anonymizer <url>', 'URL of the anonymizer; remembered (VPN_ANONYMIZER_URL)')
    .option('--api-key <key>', "Web API key of the service's Firebase project; remembered (VPN_FIREBASE_API_KEY)")
    .option('--firebase-url <url>', 'URL of a Firebase emulator; remembered (VPN_FIREBASE_URL)')
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      `
The password is read from standard input, or asked for on a terminal.

Examples:
  vpn login --email ada@example.com
  vpn login --gatekeeper https://id.example.com --anonymizer https://vpn.example.com --api-key AIza…
  pass show vpn | vpn login --email ada@example.com`,
    )
    .action((options: LoginOptions) => login(context, options));
  program
    .command('logout')
    .description('Sign out on this device; its tokens and connections stay until another account signs in')
    .option('--json', 'Print JSON', false)
    .action(async (output: Output) => {
      await removeSession(context.home);
      printResult(context.io, output, { signedIn: false }, ['Signed out.']);
    });
  program
    .command('trial')
    .description('Start the free trial, once for each user')
    .option('--json', 'Print JSON', false)
    .action((output: Output) => trial(context, output));
}

async function login(context: Context, options: LoginOptions): Promise<void> {
  const { io, home } = context;
  const { gatekeeper, anonymizer, apiKey, firebaseUrl } = options;
  const given = { gatekeeperUrl: gatekeeper, anonymizerUrl: anonymizer, apiKey, firebaseUrl };
  const settings = await context.settings(given);
  const session = await (options.idToken ? readPastedIdToken(context) : signInByPassword(context, settings, options));
  await writeSettings(home, settings);
  await writeSession(home, session);
  await rememberAccount(home, session.uid);
  const tokens = await prefetchTokens(context, options);
  printResult(io, options, { email: session.email, tokens }, [
    `Signed in as ${session.email}.`,
    tokens > 0 ? `Added ${tokenCount(tokens)} to the wallet. Next: vpn connect` : 'Next: vpn trial or vpn connect',
  ]);
}

async function signInByPassword(context: Context, settings: Settings, options: LoginOptions): Promise<StoredSession> {
  const email = options.email ?? (await context.io.ask('E-mail address'));
  const password = await context.io.ask('Password', { secret: true });
  if (email === '' || password === '') {
    throw new CommandError('Enter an e-mail address and a password.', 'nothing_given');
  }
  return withProgress(context.io, options, 'Signing in', context.firebase(settings).signIn(email, password));
}

async function readPastedIdToken({ io }: Context): Promise<StoredSession> {
  const idToken = (await io.ask('ID token', { secret: true })).trim();
  const user = readClaims(idToken);
  if (user === undefined) {
    throw new CommandError('The input is not a Firebase ID token.', 'not_an_id_token', exitCodes.usage);
  }
  return { ...user, idToken };
}

/** The user that a token names. It is not verified here: the gatekeeper does that. */
function readClaims(idToken: string): SignedIn | undefined {
  try {
    const [, payload = ''] = idToken.split('.');
    const { email, sub } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    return typeof sub === 'string' ? { uid: sub, email: typeof email === 'string' ? email : sub } : undefined;
  } catch {
    return undefined;
  }
}

async function trial(context: Context, output: Output): Promise<void> {
  const client = await context.client();
  const starting = client.startTrial().catch((error: unknown) => sendVerificationIfNeeded(context, error));
  const subscription = await withProgress(context.io, output, 'Starting the trial', starting);
  const tokens = await prefetchTokens(context, output);
  printResult(context.io, output, { subscription, tokens }, [
    `Your trial has started${subscription.until === null ? '' : ` and ends at ${localTime(subscription.until)}`}.`,
    `Added ${tokenCount(tokens)} to the wallet. Next: vpn connect`,
  ]);
}

/** A trial requires a verified e-mail address. When it is not verified, this mails a verification link. */
async function sendVerificationIfNeeded(context: Context, error: unknown): Promise<never> {
  if (adviceFor(error).action !== 'verify_email') throw error;
  await context.sendVerification();
  throw new CommandError(
    'Your e-mail address is not verified. A verification link was mailed to it.',
    'email_not_verified',
    exitCodes.subscription,
    'Open the link, then run: vpn trial',
  );
}

/** Fetches tokens well before they are spent, so that this reveals nothing. @returns 0 without a subscription */
async function prefetchTokens(context: Context, output: Output): Promise<number> {
  const client = await context.client();
  try {
    return await withProgress(context.io, output, 'Fetching tokens', client.wallet.prefetchIfDue());
  } catch (error) {
    if (['subscribe', 'verify_email'].includes(adviceFor(error).action)) return 0;
    throw error;
  }
}
