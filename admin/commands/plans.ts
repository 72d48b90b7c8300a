import { Command } from 'commander';
import { Plans } from '../../src/subscription/index.js';
import { withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

interface PlanOptions extends Output {
  readonly name: string;
  readonly dailyTokens: number;
}

export function planCommands(): Command {
  const plans = new Command('plans').description('what can be had');
  withJson(plans.command('list'))
    .description('all plans')
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', (app) => app.get(Plans).list());
      printRows(
        rows.map((row) => ({ ...row })),
        output,
        'No plan yet.',
      );
    });
  withJson(plans.command('set <id>'))
    .description('add a plan, or change it for everyone on it')
    .requiredOption('--name <name>', 'what people read')
    .requiredOption('--daily-tokens <count>', 'tokens a person may have signed per issuer key', number)
    .action(async (id: string, { json, name, dailyTokens }: PlanOptions) => {
      const plan = await withSide('gatekeeper', (app) => app.get(Plans).set({ id, name, dailyTokens }));
      printDone(`${id} grants ${plan.dailyTokens} tokens a day.`, { ...plan }, { json });
    });
  return plans;
}
