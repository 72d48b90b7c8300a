import { Command } from 'commander';
import { IssuanceStatisticsService } from '../../src/auth/issuance/index.js';
import { UsageStatisticsService } from '../../src/connection/index.js';
import { hasSide, withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { printRows } from '../output.js';

const day = (date: Date) => date.toISOString().slice(0, 10);

export function statsCommand(): Command {
  return withJson(new Command('stats'))
    .description('Show daily totals for each side of this machine; counts under 20 are shown as "<20"')
    .option('--days <count>', 'Number of days', number, 30)
    .action(async ({ days, json }: Output & { days: number }) => {
      const issued = hasSide('gatekeeper')
        ? await withSide('gatekeeper', (app) => app.get(IssuanceStatisticsService).daily(days))
        : [];
      const used = hasSide('anonymizer')
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
      printRows(issuance, { json }, 'No issuance totals yet: a day appears after it has ended.');
      printRows(usage, { json }, 'No usage totals yet: a day appears after it has ended.');
    });
}
