import { Command, Option } from 'commander';
import { PlanPricesService } from '../../src/payment/index.js';
import { PlansService } from '../../src/subscription/index.js';
import { OperatorError, withSide } from '../context.js';
import { number, type Output, withJson } from '../options.js';
import { printDone, printRows } from '../output.js';

interface PlanOptions extends Output {
  readonly name: string;
  readonly dailyTokens: number;
}

interface PriceOptions extends Output {
  readonly stripe?: string;
  readonly apple?: string;
  readonly interval?: 'month' | 'year';
}

export function planCommands(): Command {
  const plans = new Command('plans').description('Manage plans and their prices');
  withJson(plans.command('list'))
    .description('List all plans')
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', (app) => app.get(PlansService).list());
      printRows(
        rows.map((row) => ({ ...row })),
        output,
        'No plans yet.',
      );
    });
  withJson(plans.command('set <id>'))
    .description('Add a plan, or change it for all its users')
    .requiredOption('--name <name>', 'Name that users see')
    .requiredOption('--daily-tokens <count>', 'Maximum number of tokens per user and day', number)
    .action(async (id: string, { json, name, dailyTokens }: PlanOptions) => {
      const plan = await withSide('gatekeeper', (app) => app.get(PlansService).set({ id, name, dailyTokens }));
      printDone(`Saved the plan ${id} with ${plan.dailyTokens} tokens a day.`, { ...plan }, { json });
    });
  withJson(plans.command('prices'))
    .description('List the prices of all plans')
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', (app) => app.get(PlanPricesService).list());
      const shown = rows.map(({ planId: plan, provider, priceRef: price, ...row }) => ({
        plan,
        provider,
        price,
        ...row,
      }));
      printRows(shown, output, 'No prices yet.');
    });
  withJson(plans.command('price <id>'))
    .description('Offer a plan at a Stripe price or as an App Store product, replacing the previous one')
    .option('--stripe <price>', 'Id of a Stripe price, which sets the amount and interval')
    .option('--apple <product>', 'Id of an App Store product; requires --interval')
    .addOption(new Option('--interval <interval>', 'Billing interval of the product').choices(['month', 'year']))
    .action(price);
  withJson(plans.command('withdraw'))
    .description('Stop offering a price; existing subscriptions keep it')
    .option('--stripe <price>', 'Id of a Stripe price')
    .option('--apple <product>', 'Id of an App Store product')
    .action(withdraw);
  return plans;
}

async function price(planId: string, { stripe, apple, interval, json }: PriceOptions): Promise<void> {
  const set = await withSide('gatekeeper', (app) => {
    if (stripe !== undefined && apple === undefined) return app.get(PlanPricesService).setStripe(planId, stripe);
    if (apple !== undefined && interval !== undefined)
      return app.get(PlanPricesService).setApple(planId, apple, interval);
    throw new OperatorError('Expected --stripe <price>, or --apple <product> with --interval.');
  });
  printDone(`The plan ${planId} is offered at ${set.priceRef}, billed every ${set.interval}.`, { ...set }, { json });
}

async function withdraw({ stripe, apple, json }: PriceOptions): Promise<void> {
  const priceRef = stripe ?? apple;
  if (priceRef === undefined) throw new OperatorError('Expected --stripe <price> or --apple <product>.');
  const provider = stripe === undefined ? 'apple' : 'stripe';
  const withdrawn = await withSide('gatekeeper', (app) => app.get(PlanPricesService).withdraw({ provider, priceRef }));
  if (!withdrawn) {
    throw new OperatorError(`The price ${priceRef} is not offered. List the prices: npm run admin -- plans prices`);
  }
  printDone(`The price ${priceRef} is no longer offered.`, { provider, priceRef, offered: false }, { json });
}
