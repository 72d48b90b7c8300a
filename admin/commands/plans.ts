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
  const plans = new Command('plans').description('what can be had');
  withJson(plans.command('list'))
    .description('all plans')
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', (app) => app.get(PlansService).list());
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
      const plan = await withSide('gatekeeper', (app) => app.get(PlansService).set({ id, name, dailyTokens }));
      printDone(`${id} grants ${plan.dailyTokens} tokens a day.`, { ...plan }, { json });
    });
  withJson(plans.command('prices'))
    .description('by which prices of which provider plans are bought')
    .action(async (output: Output) => {
      const rows = await withSide('gatekeeper', (app) => app.get(PlanPricesService).list());
      const shown = rows.map(({ planId: plan, provider, priceRef: price, ...row }) => ({
        plan,
        provider,
        price,
        ...row,
      }));
      printRows(shown, output, 'No price yet.');
    });
  withJson(plans.command('price <id>'))
    .description('sell a plan by a price of Stripe or a product of the App Store, in the place of the one before')
    .option('--stripe <price>', 'id of a price at Stripe, which says how much and how often')
    .option('--apple <product>', 'product id at the App Store; needs --interval')
    .addOption(new Option('--interval <interval>', 'how often the product is paid').choices(['month', 'year']))
    .action(price);
  withJson(plans.command('withdraw'))
    .description('sell a price no longer; who pays it keeps it')
    .option('--stripe <price>', 'id of a price at Stripe')
    .option('--apple <product>', 'product id at the App Store')
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
  printDone(`${planId} is sold by ${set.priceRef}, each ${set.interval}.`, { ...set }, { json });
}

async function withdraw({ stripe, apple, json }: PriceOptions): Promise<void> {
  const priceRef = stripe ?? apple;
  if (priceRef === undefined) throw new OperatorError('Expected --stripe <price> or --apple <product>.');
  const provider = stripe === undefined ? 'apple' : 'stripe';
  const withdrawn = await withSide('gatekeeper', (app) => app.get(PlanPricesService).withdraw({ provider, priceRef }));
  if (!withdrawn) throw new OperatorError(`${priceRef} is not sold. See npm run admin -- plans prices.`);
  printDone(`${priceRef} is sold no longer.`, { provider, priceRef, offered: false }, { json });
}
