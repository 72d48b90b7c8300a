import { type Command } from 'commander';
import { type Page } from '../../account.js';
import { type Context } from '../context.js';
import { CommandError } from '../failures.js';
import { localTime, type Output, printResult, table, withProgress } from '../output.js';
import { asUsageError } from '../user-input.js';

interface PageOptions extends Output {
  readonly limit: string;
  readonly cursor?: string;
  readonly all: boolean;
}

interface RowsPage<Row> {
  readonly rows: readonly Row[];
  readonly next: string | null;
}

export function addHistoryCommands(account: Command, context: Context): void {
  paged(account.command('history'), 'history')
    .description('Show the history of your subscriptions and payments, newest first')
    .action(async (_: unknown, command: Command) => history(context, command.optsWithGlobals()));
  paged(account.command('audit'), 'audit')
    .description('Show what you and operators did to your account, newest first')
    .action(async (_: unknown, command: Command) => audit(context, command.optsWithGlobals()));
}

function paged(command: Command, name: string): Command {
  return command
    .option('--limit <n>', 'Maximum number of entries, 1 to 100', '50')
    .option('--cursor <cursor>', 'Start at this cursor, which the previous page prints')
    .option('--all', 'Show all pages', false)
    .option('--json', 'Print JSON', false)
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
  const lines = rows.map(({ at, text }) => [localTime(at), text]);
  printResult(context.io, options, { events: rows, next }, [
    ...(lines.length > 0 ? table(['when', 'what'], lines) : ['No subscriptions or payments yet.']),
    ...nextPageHint('history', next),
  ]);
}

async function audit(context: Context, options: PageOptions): Promise<void> {
  const { account } = await context.client();
  const { rows, next } = await read(context, options, async (page) => {
    const { acts, next } = await account.audit(page);
    return { rows: acts, next };
  });
  const lines = rows.map(({ at, by, action, reason }) => [localTime(at), by, action, reason ?? '']);
  printResult(context.io, options, { acts: rows, next }, [
    ...(lines.length > 0 ? table(['when', 'by', 'what', 'why'], lines) : ['No entries yet.']),
    ...nextPageHint('audit', next),
  ]);
}

/** @throws {CommandError} the limit is not a number, or the service refuses the limit or cursor */
async function read<Row>(
  { io }: Context,
  options: PageOptions,
  fetchPage: (page: Page) => Promise<RowsPage<Row>>,
): Promise<RowsPage<Row>> {
  if (!/^\d{1,3}$/.test(options.limit)) throw new CommandError('--limit must be 1 to 100.', 'invalid_limit');
  const rows: Row[] = [];
  let cursor = options.cursor;
  for (;;) {
    const fetching = fetchPage({ cursor, limit: Number(options.limit) });
    const page = await withProgress(io, options, 'Loading entries', asUsageError(fetching));
    rows.push(...page.rows);
    if (!options.all || page.next === null) return { rows, next: page.next };
    cursor = page.next;
  }
}

const nextPageHint = (name: string, next: string | null) =>
  next === null ? [] : [`Next page: vpn account ${name} --cursor ${next}`];
