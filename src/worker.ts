import { createWorker } from './app.js';
import { Background } from './platform/background/index.js';
import { ConfigError, loadConfig } from './platform/config/index.js';
import { runProcess } from './run-process.js';

/**
 * `npm run worker`: the gatekeeper's jobs, without its API. The processes that serve the API are then given
 * `IDENTITY_WORKER=apart`. Metrics are served as by any process, so beside another give it a METRICS_PORT of its own.
 */
await runProcess('working', async () => {
  const config = loadConfig({ ...process.env, IDENTITY_WORKER: 'inside' });
  if (config.gatekeeper === undefined) {
    throw new ConfigError(['SERVICE_ROLE must be gatekeeper or all: the anonymizer has no jobs']);
  }
  const app = await createWorker(config);
  const background = app.get(Background);
  return {
    config,
    app,
    begin: async () => {
      await background.start();
      return {};
    },
    leave: async () => {
      await background.stop();
      await app.close();
    },
  };
});
