import { type Command } from 'commander';
import { type Preferences, type PreferencesPatch } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError, exitCodes } from '../failures.js';
import { type Output, printResult, table, withProgress } from '../output.js';
import { changePreferences } from '../preferences.js';

type Kind = Preferences['notPushed'][number];
type OptionalKind = Preferences['notMailed'][number];
type Channel = 'mail' | 'push';

interface Choice {
  readonly kind: string;
  readonly channel: Channel;
  readonly isOn: boolean;
}

/** When each kind is sent. The types make the compiler check both lists against the API. */
const kinds: Readonly<Record<Kind, string>> = {
  welcome: 'you sign up',
  email_verified: 'your e-mail address is verified',
  trial_ending: 'your trial ends in three days, and in one day',
  payment_failed: 'a payment fails',
  grace_ending: 'your access is about to end because of a failed payment',
  renewed: 'your subscription is renewed',
  cancelled: 'your subscription is cancelled',
  expired: 'your access ends',
  refunded: 'a payment is refunded',
  plan_changed: 'your plan changes',
  sign_in_provider_added: 'a sign-in method is added to your account',
  signed_out_everywhere: 'you are signed out on all devices',
  email_change_asked: 'a new e-mail address is requested for your account',
  maintenance: 'maintenance of the service is planned',
};
const optionalMails: Readonly<Record<OptionalKind, true>> = {
  welcome: true,
  trial_ending: true,
  renewed: true,
  maintenance: true,
};

export function addNotificationCommands(account: Command, context: Context): void {
  account
    .command('notifications')
    .description('Show which mails and push notifications you get')
    .option('--json', 'Print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account notifications\n  vpn account notifications set renewed.mail=off')
    .action(async (_: unknown, command: Command) => show(context, command.optsWithGlobals()))
    .command('set')
    .description('Turn notifications on or off')
    .argument('<kind.channel=on|off...>', 'Kinds are listed by vpn account notifications; channels are mail and push')
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn account notifications set renewed.mail=off renewed.push=off
  vpn account notifications set maintenance.push=on

Some mails cannot be turned off, because they concern the security or payment of your account.`,
    )
    .action(async (choices: string[], _: unknown, command: Command) => {
      await set(context, choices, command.optsWithGlobals());
    });
}

async function show(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  const { preferences } = await withProgress(
    context.io,
    output,
    'Loading notification settings',
    account.preferences(),
  );
  print(context, output, preferences);
}

async function set(context: Context, texts: readonly string[], output: Output): Promise<void> {
  const choices = texts.map(readChoice);
  const { account } = await context.client();
  const changing = changePreferences(account, undefined, (current) => patchOf(current, choices));
  const { preferences } = await withProgress(context.io, output, 'Saving notification settings', changing);
  print(context, output, preferences);
}

function print({ io }: Context, output: Output, { notMailed, notPushed }: Preferences): void {
  const rows = Object.entries(kinds).map(([kind, sentWhen]) => ({
    kind,
    mail: !isOptionalMail(kind) ? 'always' : onOrOff(!(notMailed as string[]).includes(kind)),
    push: onOrOff(!(notPushed as string[]).includes(kind)),
    sentWhen,
  }));
  const cells = rows.map(({ kind, mail, push, sentWhen }) => [kind, mail, push, sentWhen]);
  printResult(io, output, rows, table(['kind', 'mail', 'push', 'sent when'], cells));
}

/** @throws {CommandError} */
function readChoice(text: string): Choice {
  const [, kind = '', channel, state] = /^(\w+)\.(mail|push)=(on|off)$/.exec(text) ?? [];
  const isKnown = Object.hasOwn(kinds, kind);
  if (!isKnown || channel === undefined) {
    const message = `"${text}" is not a valid setting. Expected a kind, a channel and a state, such as renewed.mail=off.`;
    throw new CommandError(message, 'no_such_notification', exitCodes.usage, 'See: vpn account notifications');
  }
  if (channel === 'mail' && !isOptionalMail(kind)) {
    const message = `${kind} mails cannot be turned off: they concern the security or payment of your account.`;
    throw new CommandError(message, 'always_mailed');
  }
  return { kind, channel: channel as Channel, isOn: state === 'on' };
}

function patchOf(current: Preferences, choices: readonly Choice[]): PreferencesPatch {
  const lists = { mail: new Set<string>(current.notMailed), push: new Set<string>(current.notPushed) };
  for (const { kind, channel, isOn } of choices) {
    if (isOn) lists[channel].delete(kind);
    else lists[channel].add(kind);
  }
  return { notMailed: [...lists.mail] as OptionalKind[], notPushed: [...lists.push] as Kind[] };
}

const isOptionalMail = (kind: string) => Object.hasOwn(optionalMails, kind);
const onOrOff = (isOn: boolean) => (isOn ? 'on' : 'off');
