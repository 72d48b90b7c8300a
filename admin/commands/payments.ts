import { Command, Option } from 'commander';
import { InboxService, ReconciliationService } from '../../src/payment/index.js';
import { withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

type State = 'pending' | 'done' | 'dead_lettered';

export function paymentCommands(): Command {
  const payments = new Command('payments').description('events of Stripe and the App Store');
  withJson(payments.command('inbox'))
    .description('list events, newest first')
    .addOption(
      new Option('--state <state>', 'state of the events')
        .choices(['pending', 'done', 'dead_lettered'])
        .default('dead_lettered'),
    )
    .option('--limit <count>', 'maximum number of events', number, 50)
    .action(async ({ state, limit, json }: Output & { state: State; limit: number }) => {
      const rows = await withSide('gatekeeper', (app) => app.get(InboxService).list(state, limit));
      const shown = rows.map(({ id, provider, type, objectRef, receivedAt, reason }) => {
        return { id: String(id), provider, type, objectRef, receivedAt: receivedAt.toISOString(), reason };
      });
      printRows(shown, { json }, `No event is ${state.replace('_', '-')}.`);
    });
  withJson(payments.command('retry [object]'))
    .description('retry dead-lettered events: all, or those of one object as the inbox lists it')
    .action(async (objectRef: string | undefined, output: Output) => {
      const retried = await withSide('gatekeeper', (app) => app.get(InboxService).retry(objectRef));
      printDone(`${retried} events will be looked up again.`, { retried }, output);
    });
  withJson(payments.command('reconcile'))
    .description('compare with the providers now, as happens every night, and look up what differs')
    .option('--days <count>', 'how far to look back, at most 179: as long as nothing could be heard', number, 7)
    .action(async ({ days, json }: Output & { days: number }) => {
      const { stripe, apple } = await withSide('gatekeeper', (app) => app.get(ReconciliationService).run(days));
      printDone(`To look up again: ${stripe} at Stripe, ${apple} at Apple.`, { stripe, apple }, { json });
    });
  return payments;
}
