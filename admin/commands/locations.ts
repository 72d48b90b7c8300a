import { Command } from 'commander';
import { OperatorLocationsService } from '../../src/nodes/index.js';
import { withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

interface NewLocation extends Output {
  readonly country: string;
  readonly city: string;
  readonly latitude: number;
  readonly longitude: number;
}

export function locationCommands(): Command {
  const locations = new Command('locations').description('where people can go');
  withJson(locations.command('list'))
    .description('all locations')
    .action(async (output: Output) => {
      const rows = await withSide('anonymizer', (app) => app.get(OperatorLocationsService).list());
      printRows(
        rows.map((row) => ({ ...row })),
        output,
        'No location yet.',
      );
    });
  withJson(locations.command('add <id>'))
    .description('offer a new location; its id is a slug such as de-frankfurt')
    .requiredOption('--country <code>', 'ISO 3166-1 alpha-2, such as DE')
    .requiredOption('--city <name>', 'city')
    .requiredOption('--latitude <degrees>', 'degrees north', number)
    .requiredOption('--longitude <degrees>', 'degrees east', number)
    .action(async (id: string, { json, ...place }: NewLocation) => {
      const added = await withSide('anonymizer', (app) => app.get(OperatorLocationsService).add({ id, ...place }));
      printDone(`${id} is offered. Let a node join: npm run admin -- enrolment create ${id}`, { ...added }, { json });
    });
  for (const [name, enabled, sentence] of [
    ['disable', false, 'is no longer offered; its connections last until they end.'],
    ['enable', true, 'is offered again.'],
  ] as const) {
    withJson(locations.command(`${name} <id>`))
      .description(enabled ? 'offer a location again' : 'stop offering a location')
      .action(async (id: string, output: Output) => {
        await withSide('anonymizer', (app) => app.get(OperatorLocationsService).setEnabled(id, enabled));
        printDone(`${id} ${sentence}`, { id, enabled }, output);
      });
  }
  return locations;
}
