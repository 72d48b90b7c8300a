import { Command } from 'commander';
import { AccountDeletionService, AccountExportService } from '../../src/account/index.js';
import { SignOutService } from '../../src/auth/index.js';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { withSide } from '../context.js';
import { account, type Audited, audited, type Output, withJson, withName } from '../options.js';
import { printDone, printRows } from '../output.js';

export function userCommands(): Command {
  const users = new Command('users').description('people: what is kept of them, and what they ask an operator to do');
  withJson(withName(users.command('show <account>')))
    .description(`who somebody is here, ${account}`)
    .action(show);
  audited(withName(users.command('export <account>')))
    .description('everything that is kept of somebody, as the person may have it: one JSON document')
    .action(async (name: string, { by: actor, reason }: Audited) => {
      const document = await withSide('gatekeeper', async (app) => {
        const person = await app.get(OperatorAccessService).show(name);
        return app.get(AccountExportService).export(person.account, { actor, reason });
      });
      console.log(JSON.stringify(document, null, 2));
    });
  audited(withName(users.command('delete <account>')))
    .description('end the subscriptions, delete the account at Firebase and erase the person; a worker does it')
    .requiredOption('--yes', 'it cannot be undone')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      const { stillBilledBy } = await withSide('gatekeeper', async (app) => {
        const person = await app.get(OperatorAccessService).show(name);
        return app.get(AccountDeletionService).begin(person.account, { actor, reason });
      });
      const apple = stillBilledBy.length > 0 ? ' Apple goes on charging until the person cancels there.' : '';
      printDone(`The account is being deleted.${apple}`, { stillBilledBy: stillBilledBy.join(' ') }, { json });
    });
  audited(withName(users.command('signout <account>')))
    .description('end every sign-in; the person is told')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      await withSide('gatekeeper', async (app) => {
        const person = await app.get(OperatorAccessService).show(name);
        await app.get(SignOutService).everywhere(person.account, { actor, reason });
      });
      printDone('Signed out everywhere.', { signedOut: true }, { json });
    });
  return users;
}

async function show(name: string, { json }: Output): Promise<void> {
  const {
    account: person,
    access,
    audit,
  } = await withSide('gatekeeper', (app) => app.get(OperatorAccessService).show(name));
  const acts = audit.map(({ at, actor, action, reason }) => ({ at: at.toISOString(), actor, action, reason }));
  const row = {
    id: person.userId,
    uid: person.firebaseUid,
    email: person.email,
    access: access.state,
    until: access.until?.toISOString(),
  };
  if (json) {
    console.log(JSON.stringify({ ...row, audit: acts }, null, 2));
    return;
  }
  printRows([row], { json }, '');
  if (acts.length > 0) printRows(acts, { json }, '');
}
