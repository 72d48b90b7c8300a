import { Command } from 'commander';
import { EnrolmentTokensService } from '../../src/nodes/index.js';
import { OperatorError, withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

interface NewToken extends Output {
  readonly uses: number;
  readonly hours: number;
}

export function enrolmentCommands(): Command {
  const enrolment = new Command('enrolment').description('tokens that let new nodes join');
  withJson(enrolment.command('create <location>'))
    .description('make a token for one location; it is shown this once')
    .option('--uses <count>', 'how many nodes may join with it', number, 1)
    .option('--hours <hours>', 'how long it works', number, 24)
    .action(async (locationId: string, { json, ...limits }: NewToken) => {
      const made = await withSide('anonymizer', (app) =>
        app.get(EnrolmentTokensService).create({ locationId, ...limits }),
      );
      const data = { ...made, expiresAt: made.expiresAt.toISOString() };
      printDone(`${made.token}\n\nShown this once. Good for ${made.usesLeft} until ${data.expiresAt}.`, data, { json });
    });
  withJson(enrolment.command('list'))
    .description('tokens that still work, by id')
    .action(async (output: Output) => {
      const rows = await withSide('anonymizer', (app) => app.get(EnrolmentTokensService).list());
      const shown = rows.map((row) => ({ ...row, expiresAt: row.expiresAt.toISOString() }));
      printRows(shown, output, 'No enrolment token.');
    });
  withJson(enrolment.command('revoke <id>'))
    .description('end a token at once')
    .action(async (id: string, output: Output) => {
      const revoked = await withSide('anonymizer', (app) => app.get(EnrolmentTokensService).revoke(id));
      if (!revoked)
        throw new OperatorError(`No enrolment token has the id ${id}. List them: npm run admin -- enrolment list`);
      printDone(`${id} no longer works.`, { id, revoked }, output);
    });
  return enrolment;
}
