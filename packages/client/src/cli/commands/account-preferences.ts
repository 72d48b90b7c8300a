import { type Command } from 'commander';
import { type Preferences, type PreferencesPatch, type TaggedPreferences } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError } from '../failures.js';
import { during, type Output, printResult } from '../output.js';
import { changePreferences, valueText, versionOf } from '../preferences.js';

interface SetOptions extends Output {
  readonly ifMatch?: string;
}

type Settable = Exclude<keyof Preferences, 'notMailed' | 'notPushed'>;

/** How each is read from the command line. The service judges the values, but for what JSON could not carry to it. */
const readers: { readonly [Name in Settable]: (text: string) => unknown } = {
  defaultLocation: (text) => (text === '' ? null : text),
  dnsBlocking: (text) => text,
  endpointPort: (text) => (text === '' ? null : portOf(text)),
  locale: (text) => text,
};

export function addPreferencesCommands(account: Command, context: Context): void {
  account
    .command('preferences')
    .description('what you have chosen for all your devices')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account preferences\n  vpn account preferences set endpointPort=443')
    .action(async (_: unknown, command: Command) => show(context, command.optsWithGlobals()))
    .command('set')
    .description('choose, by name and value; an empty value unsets defaultLocation or endpointPort')
    .argument('<name=value...>', Object.keys(readers).join(', '))
    .option('--if-match <version>', 'only if they are of this version, as vpn account preferences shows it')
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn account preferences set defaultLocation=de-frankfurt dnsBlocking=ads
  vpn account preferences set endpointPort=
  vpn account preferences set dnsBlocking=none --if-match 3

Two devices never overwrite each other: when another one was faster, nothing is set, and what it changed is shown.
What would profile you is kept on each device: apps that bypass the tunnel, names of networks, rules of when to connect.`,
    )
    .action(async (pairs: string[], _: unknown, command: Command) => set(context, pairs, command.optsWithGlobals()));
}

async function show(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  print(context, output, await during(context.io, output, 'Asking for the preferences', account.preferences()));
}

async function set(context: Context, pairs: readonly string[], options: SetOptions): Promise<void> {
  const patch = Object.fromEntries(pairs.map(readPair)) as PreferencesPatch;
  const { account } = await context.client();
  const changing = changePreferences(account, options.ifMatch, () => patch);
  print(context, options, await during(context.io, options, 'Changing the preferences', changing));
}

function print({ io }: Context, output: Output, tagged: TaggedPreferences): void {
  const { notMailed, notPushed, ...chosen } = tagged.preferences;
  const silenced = notMailed.length + notPushed.length;
  printResult(io, output, tagged, [
    ...Object.entries(chosen).map(([name, value]) => `${name.padEnd(15)}  ${valueText(value)}`),
    `${'notifications'.padEnd(15)}  ${silenced === 0 ? 'all' : `${silenced} turned off`}: vpn account notifications`,
    `${'version'.padEnd(15)}  ${versionOf(tagged.etag)}`,
  ]);
}

/** @throws {CommandError} */
function readPair(pair: string): [Settable, unknown] {
  const [, name = '', text = ''] = /^(\w+)=(.*)$/s.exec(pair) ?? [];
  if (!isSettable(name)) {
    const names = Object.keys(readers).join(', ');
    const next =
      name === 'notMailed' || name === 'notPushed'
        ? 'See: vpn account notifications set --help'
        : `Names are: ${names}`;
    throw new CommandError(`"${pair}" is no choice: name=value is expected.`, 'no_such_preference', undefined, next);
  }
  return [name, readers[name](text)];
}

const isSettable = (name: string): name is Settable => Object.hasOwn(readers, name);

/** @throws {CommandError} */
function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new CommandError(`endpointPort: "${text}" is no port; 1 to 65535 is expected, or nothing.`, 'invalid_request');
}
