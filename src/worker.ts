import { createWorker } from './app.js';
import { Background } from './platform/background/index.js';
import { ConfigError, loadConfig } from './platform/config/index.js';
import { runProcess } from './run-process.js';

/**
 * `npm run worker`: runs the gatekeeper's jobs, without its API. Set `IDENTITY_WORKER=apart` for the processes that serve the API.
 * It serves metrics like any process, so on the same host it needs its own METRICS_PORT.
 */
await runProcess('working', async () => {
  const config = loadConfig({ ...process.env, IDENTITY_WORKER: 'inside' });
  if (config.gatekeeper === undefined) {
    throw new ConfigError(['SERVICE_ROLE must be gatekeeper or all, because the anonymizer has no jobs']);
  }
  const app = await createWorker(config);
  const background = app.get(Background);
  return {
    config,
    app,
    start: async () => {
      await background.start();
      return {};
    },
    shutDown: async () => {
      await background.stop();
      await app.close();
    },
  };
});
