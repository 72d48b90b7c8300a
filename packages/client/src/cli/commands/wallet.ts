import { type Command } from 'commander';
import { type Context } from '../context.js';
import { localTime, type Output, printResult, tokenCount, withProgress } from '../output.js';

export function addWalletCommands(program: Command, context: Context): void {
  const wallet = program
    .command('wallet')
    .description("Show this device's tokens")
    .option('--json', 'Print JSON', false)
    .action(async (output: Output) => show(context, output));
  wallet
    .command('prefetch')
    .description("Fetch today's tokens if they are due")
    .option('--json', 'Print JSON', false)
    .addHelpText(
      'after',
      `
Run it every hour from a scheduler. The service sees when tokens are fetched. They are due at a random time of the day, so
that this does not reveal when you connect. For example, in a crontab:
  23 * * * *  vpn wallet prefetch`,
    )
    // The parent command has --json too and parses it first.
    .action(async (_: unknown, command: Command) => prefetch(context, command.optsWithGlobals()));
}

async function show(context: Context, output: Output): Promise<void> {
  const status = await (await context.client()).wallet.status();
  const { tokens, firstExpiry, lastExpiry, attempts, pending, nextPrefetch } = status;
  printResult(context.io, output, status, [
    `${tokenCount(tokens)} available${expiryText(firstExpiry, lastExpiry)}.`,
    ...(attempts > 0 ? [`${attempts} in unfinished attempts to connect: vpn connect retries them first.`] : []),
    ...(pending > 0 ? [`${pending} requested but not received: vpn wallet prefetch requests them again.`] : []),
    nextPrefetch === undefined
      ? 'No tokens were fetched yet: run vpn wallet prefetch'
      : `New tokens are due at ${localTime(nextPrefetch)}: vpn wallet prefetch fetches them.`,
  ]);
}

function expiryText(first: string | undefined, last: string | undefined): string {
  if (first === undefined || last === undefined) return '';
  return first === last
    ? `, valid until ${localTime(first)}`
    : `, valid until between ${localTime(first)} and ${localTime(last)}`;
}

async function prefetch(context: Context, output: Output): Promise<void> {
  const client = await context.client();
  const prefetched = await withProgress(context.io, output, 'Fetching tokens', client.wallet.prefetchIfDue());
  const status = await client.wallet.status();
  const outcome = prefetched > 0 ? `Fetched ${tokenCount(prefetched)}` : 'No tokens are due';
  printResult(context.io, output, { prefetched, ...status }, [`${outcome}. The wallet has ${status.tokens}.`]);
}
