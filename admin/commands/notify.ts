import { Command, InvalidArgumentError } from 'commander';
import { AnnouncementsService } from '../../src/notifications/index.js';
import { withSide } from '../context.js';
import { type Audited, withAudit } from '../options.js';
import { counted, printDone } from '../output.js';

interface Maintenance extends Audited {
  readonly from: Date;
  readonly to: Date;
  readonly text: string;
}

export function notifyCommands(): Command {
  const notify = new Command('notify').description('Notify all users by mail and push');
  withAudit(notify.command('maintenance'))
    .description('Announce maintenance to all users who want to know; if run again, only to new users')
    .requiredOption('--from <time>', 'Start of the maintenance, such as 2030-01-01T02:00:00Z', parseTime)
    .requiredOption('--to <time>', 'End of the maintenance', parseTime)
    .requiredOption('--text <text>', 'Message to the users, at most 500 characters')
    .action(async ({ from, to, text, by: actor, reason, json }: Maintenance) => {
      const announced = await withSide('gatekeeper', (app) =>
        app.get(AnnouncementsService).maintenance({ from, to, text }, { actor, reason }),
      );
      printDone(
        announced === 0
          ? 'All users have been notified already.'
          : `Notifying ${counted(announced, 'user')}. Users without a verified e-mail address or a registered device are not reached.`,
        { announced },
        { json },
      );
    });
  return notify;
}

/** Requires a time zone, since operators and users may live in different ones. */
function parseTime(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new InvalidArgumentError('expected a time with a time zone, such as 2030-01-01T02:00:00Z');
}
