import { type Command } from 'commander';
import { adviceFor } from '../../advice.js';
import { type Context } from '../context.js';
import { CommandError, exitCodes } from '../failures.js';
import { during, moment, type Output, printResult } from '../output.js';
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
    .description('sign in; the sign-in is kept in a file that only you can read')
    .option('--email <address>', 'asked for when absent; the password always is, or comes by standard input')
    .option('--id-token', 'paste a Firebase ID token instead, good for an hour', false)
    .option('--gatekeeper <url>', 'where accounts are; remembered (VPN_GATEKEEPER_URL)')
    .option('--anonymizer <url>', 'where tokens are spent; remembered (VPN_ANONYMIZER_URL)')
    .option('--api-key <key>', "the Firebase project's web API key; remembered (VPN_FIREBASE_API_KEY)")
    .option('--firebase-url <url>', "Firebase's emulator; remembered (VPN_FIREBASE_URL)")
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn login --email ada@example.com
  vpn login --gatekeeper https://id.example.com --anonymizer https://vpn.example.com --api-key AIza…
  pass show vpn | vpn login --email ada@example.com`,
    )
    .action((options: LoginOptions) => login(context, options));
  program
    .command('logout')
    .description('forget the sign-in; its tokens and connections stay, until somebody else signs in')
    .option('--json', 'print JSON', false)
    .action(async (output: Output) => {
      await removeSession(context.home);
      printResult(context.io, output, { signedIn: false }, ['Signed out.']);
    });
  program
    .command('trial')
    .description('start the trial: once for each person')
    .option('--json', 'print JSON', false)
    .action((output: Output) => trial(context, output));
}

async function login(context: Context, options: LoginOptions): Promise<void> {
  const { io, home } = context;
  const { gatekeeper, anonymizer, apiKey, firebaseUrl } = options;
  const given = { gatekeeperUrl: gatekeeper, anonymizerUrl: anonymizer, apiKey, firebaseUrl };
  const settings = await context.settings(given);
  const session = await (options.idToken ? pasted(context) : byPassword(context, settings, options));
  await writeSettings(home, settings);
  await writeSession(home, session);
  await rememberAccount(home, session.uid);
  const tokens = await firstTokens(context, options);
  printResult(io, options, { email: session.email, tokens }, [
    `Signed in as ${session.email}.`,
    tokens > 0 ? `The wallet got ${tokens} tokens. Next: vpn connect` : 'Next: vpn trial, or vpn connect',
  ]);
}

async function byPassword(context: Context, settings: Settings, options: LoginOptions): Promise<StoredSession> {
  const email = options.email ?? (await context.io.ask('E-mail address'));
  const password = await context.io.ask('Password', { secret: true });
  if (email === '' || password === '') {
    throw new CommandError('An e-mail address and a password are needed.', 'nothing_given');
  }
  return during(context.io, options, 'Signing in', context.firebase(settings).signIn(email, password));
}

async function pasted({ io }: Context): Promise<StoredSession> {
  const idToken = (await io.ask('ID token', { secret: true })).trim();
  const whose = whoseIs(idToken);
  if (whose === undefined) {
    throw new CommandError('This is not a Firebase ID token.', 'not_an_id_token', exitCodes.usage);
  }
  return { ...whose, idToken };
}

/** Whose a token says it is. The gatekeeper judges whether that is true. */
function whoseIs(idToken: string): SignedIn | undefined {
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
  const starting = client.startTrial().catch((error: unknown) => proveAddress(context, error));
  const subscription = await during(context.io, output, 'Starting the trial', starting);
  const tokens = await firstTokens(context, output);
  printResult(context.io, output, { subscription, tokens }, [
    `The trial runs${subscription.until === null ? '' : ` until ${moment(subscription.until)}`}.`,
    `The wallet got ${tokens} tokens. Next: vpn connect`,
  ]);
}

/** A trial is for addresses that are proven: when that is what is missing, the mail is sent. */
async function proveAddress(context: Context, error: unknown): Promise<never> {
  if (adviceFor(error).action !== 'verify_email') throw error;
  await context.sendVerification();
  throw new CommandError(
    'The e-mail address is not proven yet: a mail with a link has been sent to it.',
    'email_not_verified',
    exitCodes.subscription,
    'Open the link, then: vpn trial',
  );
}

/** Long before they are spent, so that fetching them says nothing. Without a subscription there are none yet. */
async function firstTokens(context: Context, output: Output): Promise<number> {
  const client = await context.client();
  try {
    return await during(context.io, output, 'Fetching tokens', client.wallet.prefetchIfDue());
  } catch (error) {
    if (['subscribe', 'verify_email'].includes(adviceFor(error).action)) return 0;
    throw error;
  }
}
