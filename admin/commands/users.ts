import { Command } from 'commander';
import { AccountDeletionService, AccountExportService } from '../../src/account/index.js';
import { SignOutService } from '../../src/auth/index.js';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { withSide } from '../context.js';
import { accountForms, allowLeadingDash, type Audited, type Output, withAudit, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

export function userCommands(): Command {
  const users = new Command('users').description('Show, export, delete and sign out users');
  withJson(allowLeadingDash(users.command('show <account>')))
    .description(`Show a user (${accountForms})`)
    .action(show);
  withAudit(allowLeadingDash(users.command('export <account>')))
    .description('Export all stored data about a user as one JSON document, the same that the user can export')
    .action(async (name: string, { by: actor, reason }: Audited) => {
      const document = await withSide('gatekeeper', async (app) => {
        const user = await app.get(OperatorAccessService).show(name);
        return app.get(AccountExportService).export(user.account, { actor, reason });
      });
      console.log(JSON.stringify(document, null, 2));
    });
  withAudit(allowLeadingDash(users.command('delete <account>')))
    .description("End the user's subscriptions, delete the account at Firebase and erase all data, in the background")
    .requiredOption('--yes', 'Confirm: this cannot be undone')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      const { stillBilledBy } = await withSide('gatekeeper', async (app) => {
        const user = await app.get(OperatorAccessService).show(name);
        return app.get(AccountDeletionService).begin(user.account, { actor, reason });
      });
      const apple = stillBilledBy.length > 0 ? ' Apple keeps charging until the user cancels there.' : '';
      printDone(`The account is being deleted.${apple}`, { stillBilledBy: stillBilledBy.join(' ') }, { json });
    });
  withAudit(allowLeadingDash(users.command('signout <account>')))
    .description('Sign a user out on all devices; the user is notified')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      await withSide('gatekeeper', async (app) => {
        const user = await app.get(OperatorAccessService).show(name);
        await app.get(SignOutService).everywhere(user.account, { actor, reason });
      });
      printDone('The user is signed out on all devices.', { signedOut: true }, { json });
    });
  return users;
}

async function show(name: string, { json }: Output): Promise<void> {
  const {
    account: user,
    access,
    audit,
  } = await withSide('gatekeeper', (app) => app.get(OperatorAccessService).show(name));
  const acts = audit.map(({ at, actor, action, reason }) => ({ at: at.toISOString(), actor, action, reason }));
  const row = {
    id: user.userId,
    uid: user.firebaseUid,
    email: user.email,
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
