import { Command } from 'commander';
import { FleetService } from '../../src/nodes/index.js';
import { withSide } from '../context.js';
import { type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

export function nodeCommands(): Command {
  const nodes = new Command('nodes').description('Manage the VPN nodes');
  withJson(nodes.command('list'))
    .description('List all nodes with their health and load')
    .action(async (output: Output) => {
      const rows = await withSide('anonymizer', (app) => app.get(FleetService).list());
      const shown = rows.map((row) => ({ ...row, lastPulseAt: row.lastPulseAt.toISOString() }));
      printRows(shown, output, 'No nodes yet.');
    });
  withJson(nodes.command('drain <id>'))
    .description('Stop new connections to a node; existing ones stay')
    .action(async (id: string, output: Output) => {
      await withSide('anonymizer', (app) => app.get(FleetService).drain(id));
      const outcome = `The node ${id} is draining. Its last connection ends within 25 hours.`;
      printDone(outcome, { id, status: 'draining' }, output);
    });
  withJson(nodes.command('resume <id>'))
    .description('Allow new connections to a draining node again')
    .action(async (id: string, output: Output) => {
      await withSide('anonymizer', (app) => app.get(FleetService).resume(id));
      const outcome = `The node ${id} is resumed. It gets new connections after its next pulse.`;
      printDone(outcome, { id, status: 'unhealthy' }, output);
    });
  withJson(nodes.command('retire <id>'))
    .description('Remove a node permanently and end its connections')
    .action(async (id: string, output: Output) => {
      await withSide('anonymizer', (app) => app.get(FleetService).retire(id));
      printDone(`The node ${id} is retired. Its connections end.`, { id, status: 'retired' }, output);
    });
  return nodes;
}
