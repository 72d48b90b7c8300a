import { Command, InvalidArgumentError } from 'commander';
import { AnnouncementsService } from '../../src/notifications/index.js';
import { withSide } from '../context.js';
import { type Audited, audited } from '../options.js';
import { printDone } from '../output.js';

interface Maintenance extends Audited {
  readonly from: Date;
  readonly to: Date;
  readonly text: string;
}

export function notifyCommands(): Command {
  const notify = new Command('notify').description('tell everybody something, by mail and push');
  audited(notify.command('maintenance'))
    .description('announce maintenance to whoever wants to know; repeated, only to those who came since')
    .requiredOption('--from <time>', 'when it begins, such as 2030-01-01T02:00:00Z', moment)
    .requiredOption('--to <time>', 'when it ends', moment)
    .requiredOption('--text <text>', 'what people should know, up to 500 characters')
    .action(async ({ from, to, text, by: actor, reason, json }: Maintenance) => {
      const told = await withSide('gatekeeper', (app) =>
        app.get(AnnouncementsService).maintenance({ from, to, text }, { actor, reason }),
      );
      printDone(
        told === 0
          ? 'Everybody was told already.'
          : `Announced to ${told}. Without a proven address or a device, nobody is reached.`,
        { told },
        { json },
      );
    });
  return notify;
}

/** With its zone: an operator and their people live in different ones. */
function moment(text: string): Date {
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new InvalidArgumentError('expected a time with its zone, such as 2030-01-01T02:00:00Z');
}
