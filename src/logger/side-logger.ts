import { type DestinationStream, type Logger as Pino, destination, pino } from 'pino';
import { type Clock, type CommonConfig } from '../platform/config/index.js';

/**
 * The only fields that a log line may have. It is an allow-list, because no deny-list knows the name of the next secret. No
 * address, token, key, user, connection or request id may be logged.
 */
const fields = [
  'side',
  'role',
  'job',
  'reason',
  'count',
  'status',
  'seconds',
  'error',
  'code',
  'stack',
  'port',
  'signal',
  'context',
] as const;

export type LogFields = Partial<Record<(typeof fields)[number], string | number>>;

const allowed = new Set<string>(fields);

/** The log of one side. Two sides in one process write two streams, so that their lines are never mixed. */
export class SideLogger {
  private readonly pino: Pino;

  constructor(side: string, target: string, config: Pick<CommonConfig, 'logLevel'>, clock: Clock) {
    this.pino = pino(
      {
        level: config.logLevel,
        base: { side },
        // Whole minutes, so that lines of the two sides cannot be matched by their second.
        timestamp: () => `,"time":"${clock.now().toISOString().slice(0, 16)}Z"`,
        formatters: { level: (label) => ({ level: label }), log: keepAllowed },
      },
      open(target),
    );
  }

  info(event: string, more: LogFields = {}): void {
    this.pino.info(more, event);
  }

  warn(event: string, more: LogFields = {}): void {
    this.pino.warn(more, event);
  }

  /** Logs the kind of the error and its stack, never its message: messages quote values. */
  error(event: string, error?: unknown, more: LogFields = {}): void {
    this.pino.error({ ...more, ...serializeError(error) }, event);
  }
}

function keepAllowed(line: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(line).filter(([key]) => allowed.has(key)));
}

function serializeError(error: unknown): LogFields {
  if (!(error instanceof Error)) return {};
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const { code } = error as { code?: unknown };
  return { error: error.name, stack: frames.slice(0, 8).join('\n'), ...(typeof code === 'string' ? { code } : {}) };
}

function open(target: string): DestinationStream {
  if (target === 'stdout') return destination({ fd: 1, sync: true });
  if (target === 'stderr') return destination({ fd: 2, sync: true });
  return destination({ dest: target, sync: true, mkdir: true });
}
