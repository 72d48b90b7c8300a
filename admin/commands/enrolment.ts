import { Command } from 'commander';
import { EnrolmentTokensService } from '../../src/nodes/index.js';
import { OperatorError, withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { counted, printDone, printRows } from '../output.js';

interface NewToken extends Output {
  readonly uses: number;
  readonly hours: number;
}

export function enrolmentCommands(): Command {
  const enrolment = new Command('enrolment').description('Manage enrolment tokens, which let new nodes join');
  withJson(enrolment.command('create <location>'))
    .description('Create a token for a location; it is shown only once')
    .option('--uses <count>', 'Number of nodes that may join with the token', number, 1)
    .option('--hours <hours>', 'Hours until the token expires', number, 24)
    .action(async (locationId: string, { json, ...limits }: NewToken) => {
      const created = await withSide('anonymizer', (app) =>
        app.get(EnrolmentTokensService).create({ locationId, ...limits }),
      );
      const data = { ...created, expiresAt: created.expiresAt.toISOString() };
      const validity = `It is valid for ${counted(created.usesLeft, 'node')} until ${data.expiresAt}.`;
      printDone(`${created.token}\n\nSave this token: it is not shown again. ${validity}`, data, { json });
    });
  withJson(enrolment.command('list'))
    .description('List valid tokens by id')
    .action(async (output: Output) => {
      const rows = await withSide('anonymizer', (app) => app.get(EnrolmentTokensService).list());
      const shown = rows.map((row) => ({ ...row, expiresAt: row.expiresAt.toISOString() }));
      printRows(shown, output, 'No enrolment tokens.');
    });
  withJson(enrolment.command('revoke <id>'))
    .description('Revoke a token')
    .action(async (id: string, output: Output) => {
      const revoked = await withSide('anonymizer', (app) => app.get(EnrolmentTokensService).revoke(id));
      if (!revoked)
        throw new OperatorError(`No enrolment token has the id ${id}. List them: npm run admin -- enrolment list`);
      printDone(`Revoked the enrolment token ${id}.`, { id, revoked }, output);
    });
  return enrolment;
}
