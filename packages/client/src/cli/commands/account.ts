import { type Command } from 'commander';
import { type Account } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError, exitCodes } from '../failures.js';
import { writePrivately } from '../files.js';
import { localTime, type Output, printResult, table, withProgress } from '../output.js';
import { removeSession } from '../session.js';
import { asUsageError } from '../user-input.js';
import { addHistoryCommands } from './account-history.js';
import { addNotificationCommands } from './account-notifications.js';
import { addPreferencesCommands } from './account-preferences.js';

interface ExportOptions extends Output {
  readonly out?: string;
}

interface DeleteOptions extends Output {
  readonly yes: boolean;
}

export function addAccountCommands(program: Command, context: Context): void {
  const account = program
    .command('account')
    .description('Show and manage your account')
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn account
  vpn account history --all
  vpn account preferences set defaultLocation=de-frankfurt dnsBlocking=ads
  vpn account notifications set renewed.mail=off
  vpn account export --out account.json

Your account contains nothing about connections: these are anonymous.`,
    )
    .action((output: Output) => show(context, output));
  // The parent command has --json too and parses it first. So the subcommands read it by optsWithGlobals.
  account
    .command('email')
    .description('Change your e-mail address; requires a sign-in within the last five minutes')
    .argument('<address>', 'New address; a confirmation link is mailed to it')
    // An address may begin with a dash.
    .allowUnknownOption()
    .option('--json', 'Print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account email ada@example.com')
    .action(async (address: string, _: unknown, command: Command) =>
      changeEmail(context, address, command.optsWithGlobals()),
    );
  addDeviceCommands(account, context);
  addHistoryCommands(account, context);
  addPreferencesCommands(account, context);
  addNotificationCommands(account, context);
  account
    .command('export')
    .description('Export all stored data about you as JSON')
    .option('--out <file>', 'Write to this file, readable only by you')
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      '\nExamples:\n  vpn account export --out account.json\n  vpn account export | jq .tables.User',
    )
    .action(async (_: unknown, command: Command) => exportAll(context, command.optsWithGlobals()));
  account
    .command('signout-everywhere')
    .description('Sign out on all devices, including this one')
    .option('--json', 'Print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account signout-everywhere')
    .action(async (_: unknown, command: Command) => signOutEverywhere(context, command.optsWithGlobals()));
  account
    .command('delete')
    .description('Delete your account permanently; requires a sign-in within the last five minutes')
    .option('--yes', 'Do not ask for confirmation', false)
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn login && vpn account delete

Subscriptions through Stripe end at once, without a refund. Subscriptions through Apple only you can cancel, in the settings
of your Apple account. Records of payments are kept for accounting, without your name. Tokens and connections of this device
stay valid until they expire: the service does not know that they are yours.`,
    )
    .action(async (_: unknown, command: Command) => deleteAccount(context, command.optsWithGlobals()));
}

function addDeviceCommands(account: Command, context: Context): void {
  account
    .command('devices')
    .description('List devices with push notifications')
    .option('--json', 'Print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account devices\n  vpn account devices remove 3f1c')
    .action(async (_: unknown, command: Command) => listDevices(context, command.optsWithGlobals()))
    .command('remove')
    .description('Stop push notifications to a device')
    .argument('<device>', 'Id of the device, or its beginning')
    .option('--json', 'Print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account devices remove 3f1c')
    .action(async (id: string, _: unknown, command: Command) => removeDevice(context, id, command.optsWithGlobals()));
}

async function show(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  printAccount(context, output, await withProgress(context.io, output, 'Loading account', account.show()));
}

async function changeEmail(context: Context, address: string, output: Output): Promise<void> {
  const { account } = await context.client();
  const requesting = asUsageError(account.changeEmail(address));
  const unchanged = await withProgress(context.io, output, 'Requesting the change', requesting);
  printResult(context.io, output, unchanged, [
    `A confirmation link was mailed to ${address}, unless another account uses that address.`,
    'Open it to change your address. You are then signed out on all devices: sign in again with vpn login.',
  ]);
}

function printAccount({ io }: Context, output: Output, account: Account): void {
  const { email, emailVerified, createdOn, signInProviders, devices, tokens } = account;
  const { dailyTokens, used, left, resetsAt } = tokens;
  printResult(io, output, account, [
    `E-mail      ${email ?? 'none'}${emailVerified ? '' : ' (not verified)'}`,
    `Sign-in     ${signInProviders.join(', ') || 'none'}`,
    `Created     ${createdOn}`,
    dailyTokens === 0 && used === 0
      ? 'Tokens      none (start a trial or subscribe)'
      : `Tokens      ${used} of ${dailyTokens} used, ${left} left until ${localTime(resetsAt)}`,
    `Devices     ${devices.length} with push notifications${devices.length === 0 ? '' : ' (vpn account devices)'}`,
  ]);
}

async function listDevices(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  const { devices } = await withProgress(context.io, output, 'Loading devices', account.show());
  const rows = devices.map(({ id, platform, registeredOn }) => [id.slice(0, 8), platform, registeredOn]);
  const lines = rows.length > 0 ? table(['device', 'platform', 'registered'], rows) : ['No devices.'];
  printResult(context.io, output, devices, lines);
}

async function removeDevice(context: Context, id: string, output: Output): Promise<void> {
  const { account } = await context.client();
  const { devices } = await withProgress(context.io, output, 'Loading devices', account.show());
  const [device, ...others] = devices.filter((candidate) => candidate.id.startsWith(id));
  if (device === undefined || others.length > 0) {
    const message = device === undefined ? `No device has the id "${id}".` : `Several device ids begin with "${id}".`;
    throw new CommandError(message, 'no_such_device', exitCodes.usage, 'List devices: vpn account devices');
  }
  await withProgress(context.io, output, 'Removing device', account.removeDevice(device.id));
  printResult(context.io, output, { id: device.id }, ['Device removed. It gets no more push notifications.']);
}

async function exportAll(context: Context, options: ExportOptions): Promise<void> {
  const { io } = context;
  const { account } = await context.client();
  const exported = await withProgress(io, options, 'Exporting data', account.export());
  const text = JSON.stringify(exported, null, 2);
  if (options.out === undefined) return io.print(text);
  await writePrivately(options.out, `${text}\n`);
  printResult(io, options, { out: options.out }, [
    `Your data was exported to ${options.out}. Only you can read the file.`,
  ]);
}

async function signOutEverywhere(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  await withProgress(context.io, output, 'Signing out', account.signOutEverywhere());
  await removeSession(context.home);
  printResult(context.io, output, { signedIn: false }, ['Signed out on all devices. Sign in again: vpn login']);
}

async function deleteAccount(context: Context, options: DeleteOptions): Promise<void> {
  const { io, home } = context;
  const { account } = await context.client();
  if (!options.yes) {
    const { email } = await withProgress(io, options, 'Loading account', account.show());
    const name = email === null ? 'this account' : `the account ${email}`;
    const answer = await io.ask(`Permanently delete ${name}? Type "delete" to confirm`);
    if (answer.trim() !== 'delete') {
      const next = 'Type "delete" to confirm, or use --yes.';
      throw new CommandError('Not confirmed: nothing was deleted.', 'not_confirmed', exitCodes.usage, next);
    }
  }
  const deletion = await withProgress(io, options, 'Deleting account', account.delete());
  await removeSession(home);
  const done = 'Your account is being deleted. You are signed out.';
  const apple = 'Apple keeps charging you until you cancel the subscription in the settings of your Apple account.';
  printResult(io, options, deletion, deletion.stillBilledBy.includes('apple') ? [done, apple] : [done]);
}
