import { z } from 'zod';

export const liveReport = z.strictObject({ status: z.literal('live') });

export const readyReport = z.strictObject({
  status: z.enum(['ready', 'degraded', 'unavailable', 'draining']),
  down: z.array(z.string()).describe('Names of the dependencies that do not answer, such as "network-database".'),
});
