import { type Command } from 'commander';
import { type Preferences, type PreferencesPatch, type TaggedPreferences } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError } from '../failures.js';
import { type Output, printResult, withProgress } from '../output.js';
import { changePreferences, valueText, versionOf } from '../preferences.js';

interface SetOptions extends Output {
  readonly ifMatch?: string;
}

type Settable = Exclude<keyof Preferences, 'notMailed' | 'notPushed'>;

/** Converts each value from the command line to its JSON type. The service validates the values. */
const readers: { readonly [Name in Settable]: (text: string) => unknown } = {
  defaultLocation: (text) => (text === '' ? null : text),
  dnsBlocking: (text) => text,
  endpointPort: (text) => (text === '' ? null : portOf(text)),
  locale: (text) => text,
};

export function addPreferencesCommands(account: Command, context: Context): void {
  account
    .command('preferences')
    .description('Show the preferences of all your devices')
    .option('--json', 'Print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account preferences\n  vpn account preferences set endpointPort=443')
    .action(async (_: unknown, command: Command) => show(context, command.optsWithGlobals()))
    .command('set')
    .description('Change preferences; an empty value unsets defaultLocation or endpointPort')
    .argument('<name=value...>', Object.keys(readers).join(', '))
    .option('--if-match <version>', 'Change only this version, as shown by vpn account preferences')
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn account preferences set defaultLocation=de-frankfurt dnsBlocking=ads
  vpn account preferences set endpointPort=
  vpn account preferences set dnsBlocking=none --if-match 3

Your devices never overwrite each other's changes: if another device was faster, nothing is changed and its changes are shown.
Settings that could profile you stay on each device: apps that bypass the tunnel, names of networks, rules for connecting.`,
    )
    .action(async (pairs: string[], _: unknown, command: Command) => set(context, pairs, command.optsWithGlobals()));
}

async function show(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  print(context, output, await withProgress(context.io, output, 'Loading preferences', account.preferences()));
}

async function set(context: Context, pairs: readonly string[], options: SetOptions): Promise<void> {
  const patch = Object.fromEntries(pairs.map(readPair)) as PreferencesPatch;
  const { account } = await context.client();
  const changing = changePreferences(account, options.ifMatch, () => patch);
  print(context, options, await withProgress(context.io, options, 'Saving preferences', changing));
}

function print({ io }: Context, output: Output, tagged: TaggedPreferences): void {
  const { notMailed, notPushed, ...others } = tagged.preferences;
  const turnedOff = notMailed.length + notPushed.length;
  printResult(io, output, tagged, [
    ...Object.entries(others).map(([name, value]) => `${name.padEnd(15)}  ${valueText(value)}`),
    `${'notifications'.padEnd(15)}  ${turnedOff === 0 ? 'all on' : `${turnedOff} off`} (vpn account notifications)`,
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
        : `Preferences: ${names}`;
    const message = `"${pair}" is not a preference. Expected name=value.`;
    throw new CommandError(message, 'no_such_preference', undefined, next);
  }
  return [name, readers[name](text)];
}

const isSettable = (name: string): name is Settable => Object.hasOwn(readers, name);

/** @throws {CommandError} */
function portOf(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  const message = `endpointPort: "${text}" is not a port. Expected 1 to 65535, or an empty value to unset it.`;
  throw new CommandError(message, 'invalid_request');
}
