import { Command, Option } from 'commander';
import { OperatorAccessService } from '../../src/subscription/index.js';
import { withSide } from '../context.js';
import { account, type Audited, audited, number, type Output, withJson, withName } from '../options.js';
import { printDone, printRows } from '../output.js';

export function subscriptionCommands(): Command {
  const subscriptions = new Command('subscriptions').description(
    "people's access: what gives it, and what operators do to it",
  );
  withJson(withName(subscriptions.command('show <account>')))
    .description(`everything that gives an account access or takes it, ${account}`)
    .action(show);
  audited(withName(subscriptions.command('grant <account>')))
    .description('give access, beside whatever else there is')
    .requiredOption('--plan <id>', 'on which plan')
    .requiredOption('--days <count>', 'for how many days', number)
    .action(async (name: string, { plan: planId, days, json, ...why }: Audited & { plan: string; days: number }) => {
      const operator = { actor: why.by, reason: why.reason };
      const until = await withSide('gatekeeper', (app) =>
        app.get(OperatorAccessService).grant(name, { planId, days }, operator),
      );
      printDone(
        `Access on ${planId} until ${until.toISOString()}.`,
        { plan: planId, until: until.toISOString() },
        { json },
      );
    });
  audited(withName(subscriptions.command('revoke <account>')))
    .description('end what operators have granted; what is paid goes on')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      const revoked = await withSide('gatekeeper', (app) =>
        app.get(OperatorAccessService).revoke(name, { actor, reason }),
      );
      printDone(revoked === 0 ? 'There was no grant to end.' : `${revoked} ended.`, { revoked }, { json });
    });
  audited(withName(subscriptions.command('block <account>')))
    .description('take access away, whatever is paid')
    .addOption(new Option('--kind <kind>', 'what people are told').choices(['abuse', 'dispute']).default('abuse'))
    .action(async (name: string, { kind, by: actor, reason, json }: Audited & { kind: 'abuse' | 'dispute' }) => {
      await withSide('gatekeeper', (app) => app.get(OperatorAccessService).block(name, kind, { actor, reason }));
      printDone('Blocked.', { blocked: kind }, { json });
    });
  audited(withName(subscriptions.command('unblock <account>')))
    .description('lift every block, also that of a lost dispute')
    .action(async (name: string, { by: actor, reason, json }: Audited) => {
      const lifted = await withSide('gatekeeper', (app) =>
        app.get(OperatorAccessService).unblock(name, { actor, reason }),
      );
      printDone(lifted === 0 ? 'There was no block.' : `${lifted} lifted.`, { lifted }, { json });
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
    `${account.firebaseUid}  ${account.email ?? 'no address'}\n${access.active ? 'has access' : 'has no access'}: ${access.reason}\n`,
  );
  printRows(sources, { json }, 'Nothing gives access.');
  if (acts.length > 0) printRows(acts, { json }, '');
}
