import { z } from 'zod';

export const liveReport = z.strictObject({ status: z.literal('live') });

export const readyReport = z.strictObject({
  status: z.enum(['ready', 'degraded', 'unavailable', 'draining']),
  down: z.array(z.string()).describe('What does not answer, such as "network-database".'),
});
