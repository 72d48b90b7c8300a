import { type Command } from 'commander';
import { type Page } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError } from '../failures.js';
import { during, moment, type Output, printResult, table } from '../output.js';
import { asEntered } from '../user-input.js';

interface PageOptions extends Output {
  readonly limit: string;
  readonly cursor?: string;
  readonly all: boolean;
}

interface Listing<Row> {
  readonly rows: readonly Row[];
  readonly next: string | null;
}

export function addHistoryCommands(account: Command, context: Context): void {
  paged(account.command('history'), 'history')
    .description('what became of your subscriptions and payments, newest first')
    .action(async (_: unknown, command: Command) => history(context, command.optsWithGlobals()));
  paged(account.command('audit'), 'audit')
    .description('what you and operators did to your account, newest first')
    .action(async (_: unknown, command: Command) => audit(context, command.optsWithGlobals()));
}

function paged(command: Command, name: string): Command {
  return command
    .option('--limit <n>', 'how many on a page, 1 to 100', '50')
    .option('--cursor <next>', 'the page after, as the page before names it')
    .option('--all', 'every page', false)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      `\nExamples:\n  vpn account ${name}\n  vpn account ${name} --limit 10\n  vpn account ${name} --all`,
    );
}

async function history(context: Context, options: PageOptions): Promise<void> {
  const { account } = await context.client();
  const { rows, next } = await read(context, options, async (page) => {
    const { events, next } = await account.history(page);
    return { rows: events, next };
  });
  const lines = rows.map(({ at, text }) => [moment(at), text]);
  printResult(context.io, options, { events: rows, next }, [
    ...(lines.length > 0 ? table(['when', 'what'], lines) : ['Nothing has happened yet.']),
    ...more('history', next),
  ]);
}

async function audit(context: Context, options: PageOptions): Promise<void> {
  const { account } = await context.client();
  const { rows, next } = await read(context, options, async (page) => {
    const { acts, next } = await account.acts(page);
    return { rows: acts, next };
  });
  const lines = rows.map(({ at, by, action, reason }) => [moment(at), by, action, reason ?? '']);
  printResult(context.io, options, { acts: rows, next }, [
    ...(lines.length > 0 ? table(['when', 'by', 'what', 'why'], lines) : ['Nothing was done yet.']),
    ...more('audit', next),
  ]);
}

/** @throws {CommandError} a limit that is no number, or a cursor that the service did not give */
async function read<Row>(
  { io }: Context,
  options: PageOptions,
  pageOf: (page: Page) => Promise<Listing<Row>>,
): Promise<Listing<Row>> {
  if (!/^\d{1,3}$/.test(options.limit)) throw new CommandError('--limit takes 1 to 100.', 'invalid_limit');
  const rows: Row[] = [];
  let cursor = options.cursor;
  for (;;) {
    const page = pageOf({ cursor, limit: Number(options.limit) });
    const listing = await during(io, options, 'Asking for what happened', asEntered(page));
    rows.push(...listing.rows);
    if (!options.all || listing.next === null) return { rows, next: listing.next };
    cursor = listing.next;
  }
}

const more = (name: string, next: string | null) =>
  next === null ? [] : [`There is more: vpn account ${name} --cursor ${next}`];
