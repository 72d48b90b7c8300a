import { Command } from 'commander';
import { FleetService } from '../../src/nodes/index.js';
import { withSide } from '../context.js';
import { type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

export function nodeCommands(): Command {
  const nodes = new Command('nodes').description('the VPN servers');
  withJson(nodes.command('list'))
    .description('all nodes, with health and load')
    .action(async (output: Output) => {
      const rows = await withSide('anonymizer', (app) => app.get(FleetService).list());
      const shown = rows.map((row) => ({ ...row, lastPulseAt: row.lastPulseAt.toISOString() }));
      printRows(shown, output, 'No node yet.');
    });
  withJson(nodes.command('drain <id>'))
    .description('give a node no new connections; it keeps those it has')
    .action(async (id: string, output: Output) => {
      await withSide('anonymizer', (app) => app.get(FleetService).drain(id));
      printDone(`${id} drains: its last connection ends within 25 hours.`, { id, status: 'draining' }, output);
    });
  withJson(nodes.command('resume <id>'))
    .description('take a draining node back')
    .action(async (id: string, output: Output) => {
      await withSide('anonymizer', (app) => app.get(FleetService).resume(id));
      printDone(`${id} gets new connections again, from its next pulse on.`, { id, status: 'unhealthy' }, output);
    });
  withJson(nodes.command('retire <id>'))
    .description('end a node for good, with its connections')
    .action(async (id: string, output: Output) => {
      await withSide('anonymizer', (app) => app.get(FleetService).retire(id));
      printDone(`${id} is retired; its connections end.`, { id, status: 'retired' }, output);
    });
  return nodes;
}
