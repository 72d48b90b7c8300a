import { startMailCatcher } from '@vpn-backend/fake-providers/mail';
import { serveProgram } from './server-process.js';

/** A mail server that accepts every mail, in its own process. */
await serveProgram(async () => {
  const catcher = await startMailCatcher();
  return { port: Number(new URL(catcher.url).port), stop: () => catcher.close() };
});
