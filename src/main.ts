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
    begin: async () => ({ port: await serve(app, config) }),
    leave: () => drain(app, config.common),
  };
});
