import { type Command } from 'commander';
import { type Account } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError, exitCodes } from '../failures.js';
import { writePrivately } from '../files.js';
import { during, moment, type Output, printResult, table } from '../output.js';
import { removeSession } from '../session.js';
import { asEntered } from '../user-input.js';
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
    .description('what the service knows of you, and what you may change of it')
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn account
  vpn account history --all
  vpn account preferences set defaultLocation=de-frankfurt dnsBlocking=ads
  vpn account notifications set renewed.mail=off
  vpn account export --out account.json

Nothing of it speaks of connections: those are made as nobody, so they are not known here.`,
    )
    .action((output: Output) => show(context, output));
  // Below, --json is the parent's as well, which takes it first: hence optsWithGlobals.
  account
    .command('email')
    .description('ask for another e-mail address, which must prove itself; needs a sign-in within five minutes')
    .argument('<address>')
    // It may begin with a dash.
    .allowUnknownOption()
    .option('--json', 'print JSON', false)
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
    .description('everything that is kept of you, as JSON')
    .option('--out <file>', 'into a file that only you can read')
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nExamples:\n  vpn account export --out account.json\n  vpn account export | jq .tables.User',
    )
    .action(async (_: unknown, command: Command) => exportAll(context, command.optsWithGlobals()));
  account
    .command('signout-everywhere')
    .description('end every sign-in on every device, this one too')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account signout-everywhere')
    .action(async (_: unknown, command: Command) => signOutEverywhere(context, command.optsWithGlobals()));
  account
    .command('delete')
    .description('delete the account for good; needs a sign-in within five minutes')
    .option('--yes', 'do not ask', false)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Examples:
  vpn login && vpn account delete

Subscriptions through Stripe end at once, without money back. One through Apple only you can cancel, in the settings of
your Apple account. Payments stay for the books without your name. Tokens and connections of this device stay until
they expire: the service does not know that they are yours.`,
    )
    .action(async (_: unknown, command: Command) => deleteAccount(context, command.optsWithGlobals()));
}

function addDeviceCommands(account: Command, context: Context): void {
  account
    .command('devices')
    .description('devices that get pushes')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account devices\n  vpn account devices remove 3f1c')
    .action(async (_: unknown, command: Command) => listDevices(context, command.optsWithGlobals()))
    .command('remove')
    .description('send no more pushes to a device')
    .argument('<device>', 'its id, or the beginning of it')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExamples:\n  vpn account devices remove 3f1c')
    .action(async (id: string, _: unknown, command: Command) => removeDevice(context, id, command.optsWithGlobals()));
}

async function show(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  printAccount(context, output, await during(context.io, output, 'Asking for the account', account.show()));
}

async function changeEmail(context: Context, address: string, output: Output): Promise<void> {
  const { account } = await context.client();
  const asking = asEntered(account.changeEmail(address));
  const unchanged = await during(context.io, output, 'Asking for the change', asking);
  printResult(context.io, output, unchanged, [
    `A link is on its way to ${address}, unless another account has that address. Nothing changes before it is opened;`,
    'then every sign-in ends: vpn login',
  ]);
}

function printAccount({ io }: Context, output: Output, account: Account): void {
  const { email, emailVerified, createdOn, signInProviders, devices, tokens } = account;
  const { dailyTokens, used, left, resetsAt } = tokens;
  printResult(io, output, account, [
    `Address     ${email ?? 'none'}${emailVerified ? '' : ', not verified'}`,
    `Sign-in by  ${signInProviders.join(', ') || 'nothing'}`,
    `Since       ${createdOn}`,
    dailyTokens === 0 && used === 0
      ? 'Tokens      none without a trial or subscription'
      : `Tokens      ${used} of ${dailyTokens} used, ${left} left until ${moment(resetsAt)}`,
    `Devices     ${devices.length} that get pushes${devices.length === 0 ? '' : ': vpn account devices'}`,
  ]);
}

async function listDevices(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  const { devices } = await during(context.io, output, 'Asking for the devices', account.show());
  const rows = devices.map(({ id, platform, registeredOn }) => [id.slice(0, 8), platform, registeredOn]);
  const lines = rows.length > 0 ? table(['device', 'platform', 'registered'], rows) : ['No device gets pushes.'];
  printResult(context.io, output, devices, lines);
}

async function removeDevice(context: Context, id: string, output: Output): Promise<void> {
  const { account } = await context.client();
  const { devices } = await during(context.io, output, 'Asking for the devices', account.show());
  const [device, ...others] = devices.filter((each) => each.id.startsWith(id));
  if (device === undefined || others.length > 0) {
    const what = device === undefined ? 'No device is called' : 'Several devices begin with';
    throw new CommandError(`${what} ${id}.`, 'no_such_device', exitCodes.usage, 'See: vpn account devices');
  }
  await during(context.io, output, 'Removing the device', account.removeDevice(device.id));
  printResult(context.io, output, { id: device.id }, ['It gets no more pushes.']);
}

async function exportAll(context: Context, options: ExportOptions): Promise<void> {
  const { io } = context;
  const { account } = await context.client();
  const exported = await during(io, options, 'Gathering everything', account.export());
  const text = JSON.stringify(exported, null, 2);
  if (options.out === undefined) return io.print(text);
  await writePrivately(options.out, `${text}\n`);
  printResult(io, options, { out: options.out }, [`Written to ${options.out}, which only you can read.`]);
}

async function signOutEverywhere(context: Context, output: Output): Promise<void> {
  const { account } = await context.client();
  await during(context.io, output, 'Ending every sign-in', account.signOutEverywhere());
  await removeSession(context.home);
  printResult(context.io, output, { signedIn: false }, ['Signed out on every device. To sign in: vpn login']);
}

async function deleteAccount(context: Context, options: DeleteOptions): Promise<void> {
  const { io, home } = context;
  const { account } = await context.client();
  if (!options.yes) {
    const { email } = await during(io, options, 'Asking for the account', account.show());
    const answer = await io.ask(`Delete the account of ${email ?? 'no address'} for good? Type "delete"`);
    if (answer.trim() !== 'delete') {
      throw new CommandError('Nothing was deleted.', 'not_confirmed', exitCodes.usage, 'Type "delete", or give --yes.');
    }
  }
  const begun = await during(io, options, 'Deleting the account', account.delete());
  await removeSession(home);
  const apple = 'Apple goes on charging until you cancel there, in the settings of your Apple account.';
  const said = 'The account is being deleted, and you are signed out.';
  printResult(io, options, begun, begun.stillBilledBy.includes('apple') ? [said, apple] : [said]);
}
