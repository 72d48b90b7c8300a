import { type INestApplicationContext } from '@nestjs/common';
import { type LogFields, ProcessLogger } from './logger/index.js';
import { type AppConfig, ConfigError } from './platform/config/index.js';
import { isStoreOutage } from './platform/errors/index.js';

/** A process that is built and not started yet. */
export interface Built {
  readonly config: AppConfig;
  readonly app: INestApplicationContext;
  /** Starts the work. @returns fields to log about it */
  readonly start: () => Promise<LogFields>;
  /** Finishes running work, then closes the stores. */
  readonly shutDown: () => Promise<void>;
}

/** Builds a process and runs it until SIGTERM or SIGINT, then shuts it down gracefully. */
export async function runProcess(event: string, build: () => Promise<Built>): Promise<void> {
  silenceConsole();
  try {
    const { config, app, start, shutDown } = await build();
    const logger = app.get(ProcessLogger);
    process.on('unhandledRejection', (error) => onUnhandledRejection(error, logger));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal));
    let isStopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (isStopping) return;
      isStopping = true;
      logger.info('draining', { signal });
      const { shutdownNoticeS, shutdownGraceS } = config.common;
      setTimeout(() => process.exit(1), (shutdownNoticeS + shutdownGraceS) * 1000).unref();
      shutDown().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    };
    logger.info(event, { role: config.common.role, ...(await start()) });
  } catch (error) {
    // The message of a ConfigError names settings, never values. Any other message may quote an address or a secret.
    const reason = error instanceof ConfigError ? error.message : `The service could not start: ${describe(error)}`;
    process.stderr.write(`${reason}\n`);
    process.exit(1);
  }
}

/**
 * Handles rejections without a handler. graphile-worker causes one when the database does not answer while it records a failed
 * job. That must not end the process, and the job is released like that of a dead worker. Any other rejection is a fault of the
 * service: the process prints its kind, without its message, and ends.
 */
function onUnhandledRejection(error: unknown, logger: ProcessLogger): void {
  if (isStoreOutage(error)) return logger.error('store_lost', error);
  process.stderr.write(`Unhandled rejection: ${describe(error)}\n`);
  process.exit(1);
}

/** Libraries print messages that may quote an address. graphile-worker prints a stack when it loses its database. */
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
