import { createApp, drain, serve } from './app.js';
import { ConfigError, loadConfig } from './config/index.js';
import { ProcessLogger } from './logger/index.js';

/** Reads the configuration, boots the role, leaves gracefully on SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const app = await createApp(config);
  const logger = app.get(ProcessLogger);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => leave(signal));
  let leaving = false;
  const leave = (signal: NodeJS.Signals) => {
    if (leaving) return;
    leaving = true;
    logger.info('draining', { signal });
    setTimeout(() => process.exit(1), config.common.shutdownGraceS * 1000).unref();
    drain(app).then(
      () => process.exit(0),
      () => process.exit(1),
    );
  };
  const port = await serve(app, config);
  logger.info('serving', { role: config.common.role, port });
}

main().catch((error: unknown) => {
  // The message of a ConfigError names keys, never values; any other may quote an address or a secret.
  const reason = error instanceof ConfigError ? error.message : `The service could not start: ${describe(error)}`;
  process.stderr.write(`${reason}\n`);
  process.exit(1);
});

function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const { code, port } = error as { code?: string; port?: number };
  if (code === 'EADDRINUSE') return `port ${port} is in use. Set PORT and METRICS_PORT to free ones.`;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [error.name, code ?? '', ...frames.slice(0, 5)].join('\n');
}
