import { type Command } from 'commander';
import { type Preferences, type PreferencesPatch } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError, exitCodes } from '../failures.js';
import { during, type Output, printResult, table } from '../output.js';
import { changePreferences } from '../preferences.js';

type Kind = Preferences['notPushed'][number];
type OptionalKind = Preferences['notMailed'][number];
type Channel = 'mail' | 'push';

interface Choice {
  readonly kind: string;
  readonly channel: Channel;
  readonly isOn: boolean;
}

/** When each is sent. The compiler holds this against the API: neither list can be behind it. */
const kinds: Readonly<Record<Kind, string>> = {
  welcome: 'you have come',
  email_verified: 'your address is verified',
  trial_ending: 'your trial ends in three days, and in one',
  payment_failed: 'a payment failed, and how to mend it',
  grace_ending: 'access ends unless a payment is mended',
  renewed: 'your subscription was renewed',
  cancelled: 'your subscription was cancelled',
  expired: 'your access has ended',
  refunded: 'money was paid back',
  plan_changed: 'your plan was changed',
  sign_in_provider_added: 'your account has another way to sign in',
  signed_out_everywhere: 'every sign-in was ended',
  email_change_asked: 'somebody asked for another e-mail address',
  maintenance: 'the service will be worked on',
};
const mailedByChoice: Readonly<Record<OptionalKind, true>> = {
  welcome: true,
  trial_ending: true,
  renewed: true,
  maintenance: true,
};

export function addNotificationCommands(account: Command, context: Context): void {
  account
    .command('notifications')
    .description('what you are told by mail and by push')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account notifications\n  vpn account notifications set renewed.mail=off')
    .action(async (_: unknown, command: Command) => show(context, command.optsWithGlobals()))
    .command('set')
    .description('turn kinds of notification on or off')
    .argument('<kind.channel=on|off...>', 'kinds as vpn account notifications lists them; channels are mail and push')
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn account notifications set renewed.mail=off renewed.push=off
  vpn account notifications set maintenance.push=on

Mails about your account and its money cannot be turned off: they say what somebody, perhaps not you, did to it.`,
    )
    .action(async (choices: string[], _: unknown, command: Command) => {
      await set(context, choices, command.optsWithGlobals());
    });
}

async function show(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  const { preferences } = await during(context.io, output, 'Asking for the choices', account.preferences());
  print(context, output, preferences);
}

async function set(context: Context, texts: readonly string[], output: Output): Promise<void> {
  const choices = texts.map(readChoice);
  const { account } = await context.client();
  const changing = changePreferences(account, undefined, (current) => patchOf(current, choices));
  const { preferences } = await during(context.io, output, 'Changing the choices', changing);
  print(context, output, preferences);
}

function print({ io }: Context, output: Output, { notMailed, notPushed }: Preferences): void {
  const rows = Object.entries(kinds).map(([kind, sentWhen]) => ({
    kind,
    mail: !isMailedByChoice(kind) ? 'always' : onOrOff(!(notMailed as string[]).includes(kind)),
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
    const message = `"${text}" is no choice: such as renewed.mail=off is expected.`;
    throw new CommandError(message, 'no_such_notification', exitCodes.usage, 'See: vpn account notifications');
  }
  if (channel === 'mail' && !isMailedByChoice(kind)) {
    const message = `Mails of ${kind} are always sent: they say what somebody, perhaps not you, did to your account.`;
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

const isMailedByChoice = (kind: string) => Object.hasOwn(mailedByChoice, kind);
const onOrOff = (isOn: boolean) => (isOn ? 'on' : 'off');
