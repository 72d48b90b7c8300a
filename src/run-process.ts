import { type INestApplicationContext } from '@nestjs/common';
import { type LogFields, ProcessLogger } from './logger/index.js';
import { type AppConfig, ConfigError } from './platform/config/index.js';
import { isStoreOutage } from './platform/errors/index.js';

/** A process that is built and has not begun. */
export interface Built {
  readonly config: AppConfig;
  readonly app: INestApplicationContext;
  /** Begins its work. @returns what to log about it */
  readonly begin: () => Promise<LogFields>;
  /** Lets what runs end, then closes the stores. */
  readonly leave: () => Promise<void>;
}

/** Builds a process and runs it until SIGTERM or SIGINT; it then leaves gracefully. */
export async function runProcess(event: string, build: () => Promise<Built>): Promise<void> {
  silenceConsole();
  try {
    const { config, app, begin, leave } = await build();
    const logger = app.get(ProcessLogger);
    process.on('unhandledRejection', (error) => onUnhandledRejection(error, logger));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal));
    let leaving = false;
    const stop = (signal: NodeJS.Signals) => {
      if (leaving) return;
      leaving = true;
      logger.info('draining', { signal });
      const { shutdownNoticeS, shutdownGraceS } = config.common;
      setTimeout(() => process.exit(1), (shutdownNoticeS + shutdownGraceS) * 1000).unref();
      leave().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    };
    logger.info(event, { role: config.common.role, ...(await begin()) });
  } catch (error) {
    // The message of a ConfigError names keys, never values; any other may quote an address or a secret.
    const reason = error instanceof ConfigError ? error.message : `The service could not start: ${describe(error)}`;
    process.stderr.write(`${reason}\n`);
    process.exit(1);
  }
}

/**
 * A promise that nobody waits for. graphile-worker leaves one when it cannot write down that a job failed: a database that is
 * away ends no process, and the job is found as that of a dead worker. Anything else is a fault, and told without its message.
 */
function onUnhandledRejection(error: unknown, logger: ProcessLogger): void {
  if (isStoreOutage(error)) return logger.error('store_lost', error);
  process.stderr.write(`A fault that nobody caught: ${describe(error)}\n`);
  process.exit(1);
}

/** Libraries speak by the console in their own words, which may quote an address: graphile-worker traces a lost database. */
function silenceConsole(): void {
  const silent = ['debug', 'error', 'info', 'log', 'trace', 'warn'].map((method) => [method, () => undefined] as const);
  Object.assign(console, Object.fromEntries(silent));
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const { code, port } = error as { code?: string; port?: number };
  if (code === 'EADDRINUSE') return `port ${port} is in use. Set PORT and METRICS_PORT to free ones.`;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [error.name, code ?? '', ...frames.slice(0, 5)].join('\n');
}
