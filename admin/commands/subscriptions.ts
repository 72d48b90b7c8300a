import { Command, Option } from 'commander';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { withSide } from '../context.js';
import { accountForms, allowLeadingDash, type Audited, number, type Output, withAudit, withJson } from '../options.js';
import { counted, printDone, printRows } from '../output.js';

export function subscriptionCommands(): Command {
  const subscriptions = new Command('subscriptions').description("Show and change users' access");
  withJson(allowLeadingDash(subscriptions.command('show <account>')))
    .description(`Show subscriptions, grants and blocks of an account (${accountForms})`)
    .action(show);
  withAudit(allowLeadingDash(subscriptions.command('grant <account>')))
    .description('Grant access in addition to any subscription')
    .requiredOption('--plan <id>', 'Plan of the grant')
    .requiredOption('--days <count>', 'Number of days', number)
    .action(async (name: string, { plan: planId, days, json, ...why }: Audited & { plan: string; days: number }) => {
      const operator = { actor: why.by, reason: why.reason };
      const until = await withSide('gatekeeper', (app) =>
        app.get(OperatorAccessService).grant(name, { planId, days }, operator),
      );
      printDone(
        `Granted access with the plan ${planId} until ${until.toISOString()}.`,
        { plan: planId, until: until.toISOString() },
        { json },
      );
    });
  withAudit(allowLeadingDash(subscriptions.command('revoke <account>')))
    .description('End all grants of operators; paid subscriptions stay')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      const revoked = await withSide('gatekeeper', (app) =>
        app.get(OperatorAccessService).revoke(name, { actor, reason }),
      );
      printDone(revoked === 0 ? 'There are no grants.' : `Ended ${counted(revoked, 'grant')}.`, { revoked }, { json });
    });
  withAudit(allowLeadingDash(subscriptions.command('block <account>')))
    .description('Block access, even with a paid subscription')
    .addOption(new Option('--kind <kind>', 'Reason that the user sees').choices(['abuse', 'dispute']).default('abuse'))
    .action(async (name: string, { kind, by: actor, reason, json }: Audited & { kind: 'abuse' | 'dispute' }) => {
      await withSide('gatekeeper', (app) => app.get(OperatorAccessService).block(name, kind, { actor, reason }));
      printDone('The account is blocked.', { blocked: kind }, { json });
    });
  withAudit(allowLeadingDash(subscriptions.command('unblock <account>')))
    .description('Lift all blocks, including those of lost disputes')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      const lifted = await withSide('gatekeeper', (app) =>
        app.get(OperatorAccessService).unblock(name, { actor, reason }),
      );
      printDone(lifted === 0 ? 'There are no blocks.' : `Lifted ${counted(lifted, 'block')}.`, { lifted }, { json });
    });
  return subscriptions;
}

async function show(name: string, { json }: Output): Promise<void> {
  const { account, access, audit } = await withSide('gatekeeper', (app) => app.get(OperatorAccessService).show(name));
  const sources = access.sources.map(({ plan, until, ...source }) => ({
    ...source,
    plan: plan.id,
    until: until?.toISOString() ?? null,
  }));
  const acts = audit.map(({ at, actor, action, reason }) => ({ at: at.toISOString(), actor, action, reason }));
  if (json) {
    const { active, state, reason } = access;
    console.log(JSON.stringify({ account, active, state, reason, sources, audit: acts }, null, 2));
    return;
  }
  console.log(
    `${account.firebaseUid}  ${account.email ?? 'no e-mail address'}\n${access.active ? 'Access' : 'No access'}: ${access.reason}\n`,
  );
  printRows(sources, { json }, 'No subscriptions, trials or grants.');
  if (acts.length > 0) printRows(acts, { json }, '');
}
