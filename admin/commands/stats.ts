import { Command } from 'commander';
import { IssuanceStatisticsService } from '../../src/auth/issuance/index.js';
import { UsageStatisticsService } from '../../src/connection/index.js';
import { holdsSide, withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { printRows } from '../output.js';

const day = (date: Date) => date.toISOString().slice(0, 10);

export function statsCommand(): Command {
  return withJson(new Command('stats'))
    .description('daily totals of the sides that this machine holds; counts under 20 are "<20"')
    .option('--days <count>', 'how far back', number, 30)
    .action(async ({ days, json }: Output & { days: number }) => {
      const issued = holdsSide('gatekeeper')
        ? await withSide('gatekeeper', (app) => app.get(IssuanceStatisticsService).daily(days))
        : [];
      const used = holdsSide('anonymizer')
        ? await withSide('anonymizer', (app) => app.get(UsageStatisticsService).daily(days))
        : [];
      const issuance = issued.map(({ epoch, planId, tokens }) => ({ day: day(epoch), plan: planId, tokens }));
      const usage = used.map(({ epoch, locationId, redemptions, peak }) => ({
        day: day(epoch),
        location: locationId,
        redemptions,
        peak,
      }));
      if (json) {
        console.log(JSON.stringify({ issuance, usage }, null, 2));
        return;
      }
      printRows(issuance, { json }, 'No closed day of issuing yet.');
      printRows(usage, { json }, 'No closed day of use yet.');
    });
}
