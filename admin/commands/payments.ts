import { Command, Option } from 'commander';
import { InboxService, ReconciliationService } from '../../src/payment/index.js';
import { withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { counted, printDone, printRows } from '../output.js';

type State = 'pending' | 'done' | 'dead_lettered';

export function paymentCommands(): Command {
  const payments = new Command('payments').description('Manage the events of Stripe and the App Store');
  withJson(payments.command('inbox'))
    .description('List events, newest first')
    .addOption(
      new Option('--state <state>', 'State of the events')
        .choices(['pending', 'done', 'dead_lettered'])
        .default('dead_lettered'),
    )
    .option('--limit <count>', 'Maximum number of events', number, 50)
    .action(async ({ state, limit, json }: Output & { state: State; limit: number }) => {
      const rows = await withSide('gatekeeper', (app) => app.get(InboxService).list(state, limit));
      const shown = rows.map(({ id, provider, type, objectRef, receivedAt, reason }) => {
        return { id: String(id), provider, type, objectRef, receivedAt: receivedAt.toISOString(), reason };
      });
      printRows(shown, { json }, `No ${state.replace('_', '-')} events.`);
    });
  withJson(payments.command('retry [object]'))
    .description('Retry dead-lettered events: all, or those of one object from the inbox')
    .action(async (objectRef: string | undefined, output: Output) => {
      const retried = await withSide('gatekeeper', (app) => app.get(InboxService).retry(objectRef));
      printDone(`Retrying ${counted(retried, 'event')}.`, { retried }, output);
    });
  withJson(payments.command('reconcile'))
    .description('Compare with the providers now, as happens every night, and fetch what differs')
    .option('--days <count>', 'Number of days to compare, at most 179: cover the time without webhooks', number, 7)
    .action(async ({ days, json }: Output & { days: number }) => {
      const { stripe, apple } = await withSide('gatekeeper', (app) => app.get(ReconciliationService).run(days));
      printDone(
        `Fetching ${counted(stripe, 'object')} from Stripe and ${apple} from Apple.`,
        { stripe, apple },
        { json },
      );
    });
  return payments;
}
