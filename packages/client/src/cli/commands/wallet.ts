import { type Command } from 'commander';
import { type Context } from '../context.js';
import { during, moment, type Output, printResult } from '../output.js';

export function addWalletCommands(program: Command, context: Context): void {
  const wallet = program
    .command('wallet')
    .description('the tokens of this device')
    .option('--json', 'print JSON', false)
    .action(async (output: Output) => show(context, output));
  wallet
    .command('draw')
    .description("fetch today's tokens if their moment has come, which was chosen at random")
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `
Let it run every hour by itself. The service sees when tokens are fetched; fetched so, that says nothing about
when they are used. For example, in a crontab:
  23 * * * *  vpn wallet draw`,
    )
    // The option is the parent's as well, which takes it first.
    .action(async (_: unknown, command: Command) => draw(context, command.optsWithGlobals()));
}

async function show(context: Context, output: Output): Promise<void> {
  const status = await (await context.client()).wallet.status();
  const { tokens, firstExpiry, lastExpiry, begun, pending, nextPrefetch } = status;
  printResult(context.io, output, status, [
    `${tokens} ${tokens === 1 ? 'token' : 'tokens'} to spend${spanOf(firstExpiry, lastExpiry)}.`,
    ...(begun > 0 ? [`${begun} with which connecting was begun: vpn connect tries them again first.`] : []),
    ...(pending > 0 ? [`${pending} on the way: vpn wallet draw asks for them again.`] : []),
    nextPrefetch === undefined
      ? 'No tokens were drawn yet: vpn wallet draw'
      : `The next are drawn at ${moment(nextPrefetch)}, if vpn wallet draw runs then.`,
  ]);
}

function spanOf(first: string | undefined, last: string | undefined): string {
  if (first === undefined || last === undefined) return '';
  return first === last ? `, good until ${moment(first)}` : `, good until ${moment(first)} to ${moment(last)}`;
}

async function draw(context: Context, output: Output): Promise<void> {
  const client = await context.client();
  const drawn = await during(context.io, output, 'Looking for tokens to fetch', client.wallet.prefetchIfDue());
  const status = await client.wallet.status();
  printResult(context.io, output, { drawn, ...status }, [
    drawn > 0 ? `${drawn} tokens came; there are ${status.tokens}.` : `Nothing is due; there are ${status.tokens}.`,
  ]);
}
