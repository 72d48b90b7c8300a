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
  const locations = new Command('locations').description('Manage the locations that users can connect to');
  withJson(locations.command('list'))
    .description('List all locations')
    .action(async (output: Output) => {
      const rows = await withSide('anonymizer', (app) => app.get(OperatorLocationsService).list());
      printRows(
        rows.map((row) => ({ ...row })),
        output,
        'No locations yet.',
      );
    });
  withJson(locations.command('add <id>'))
    .description('Add a location; its id is a slug such as de-frankfurt')
    .requiredOption('--country <code>', 'Country code (ISO 3166-1 alpha-2), such as DE')
    .requiredOption('--city <name>', 'City')
    .requiredOption('--latitude <degrees>', 'Latitude in degrees, positive to the north', number)
    .requiredOption('--longitude <degrees>', 'Longitude in degrees, positive to the east', number)
    .action(async (id: string, { json, ...place }: NewLocation) => {
      const added = await withSide('anonymizer', (app) => app.get(OperatorLocationsService).add({ id, ...place }));
      const next = `Let a node join: npm run admin -- enrolment create ${id}`;
      printDone(`Added the location ${id}. ${next}`, { ...added }, { json });
    });
  for (const [name, enabled, description, outcome] of [
    ['disable', false, 'Stop offering a location', 'is disabled. Existing connections stay until they end.'],
    ['enable', true, 'Offer a location again', 'is enabled.'],
  ] as const) {
    withJson(locations.command(`${name} <id>`))
      .description(description)
      .action(async (id: string, output: Output) => {
        await withSide('anonymizer', (app) => app.get(OperatorLocationsService).setEnabled(id, enabled));
        printDone(`The location ${id} ${outcome}`, { id, enabled }, output);
      });
  }
  return locations;
}
