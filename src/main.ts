import { createApp, drain, serve } from './app.js';
import { loadConfig } from './platform/config/index.js';
import { runProcess } from './run-process.js';

/** Serves the sides that the configuration names. */
await runProcess('serving', async () => {
  const config = loadConfig(process.env);
  const app = await createApp(config);
  return {
    config,
    app,
    start: async () => ({ port: await serve(app, config) }),
    shutDown: () => drain(app, config.common),
  };
});
