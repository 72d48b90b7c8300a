import { Command } from 'commander';
import { ZodError } from 'zod';
import { ConfigError } from '../src/platform/config/index.js';
import { AppError, isStoreOutage } from '../src/platform/errors/index.js';
import { enrolmentCommands } from './commands/enrolment.js';
import { keyCommands } from './commands/keys.js';
import { locationCommands } from './commands/locations.js';
import { nodeCommands } from './commands/nodes.js';
import { notifyCommands } from './commands/notify.js';
import { paymentCommands } from './commands/payments.js';
import { planCommands } from './commands/plans.js';
import { statsCommand } from './commands/stats.js';
import { subscriptionCommands } from './commands/subscriptions.js';
import { userCommands } from './commands/users.js';
import { OperatorError } from './context.js';

/** The operator's command. Each subcommand needs a machine that is configured for its side. */
export function operatorProgram(): Command {
  return new Command('admin')
    .description('Operate the VPN service. Each command runs on a machine that is configured for its side.')
    .showHelpAfterError()
    .addCommand(locationCommands())
    .addCommand(enrolmentCommands())
    .addCommand(nodeCommands())
    .addCommand(keyCommands())
    .addCommand(planCommands())
    .addCommand(subscriptionCommands())
    .addCommand(userCommands())
    .addCommand(notifyCommands())
    .addCommand(paymentCommands())
    .addCommand(statsCommand());
}

/**
 * The error message: one line when the operator can fix the error. Other errors show their stack trace, but not their message,
 * which could quote a secret.
 */
export function explain(error: unknown): string {
  if (error instanceof ZodError) {
    return error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n');
  }
  if (error instanceof AppError) return error.detail;
  if (error instanceof OperatorError || error instanceof ConfigError) return error.message;
  if (isStoreOutage(error))
    return 'The database or Redis does not answer. Check that both run and that the database is migrated.';
  if (!(error instanceof Error)) return 'Unexpected error';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [`Unexpected ${error.name}`, ...frames].join('\n');
}
