import { z } from 'zod';

export const connectionStatus = z.strictObject({
  connection_id: z.uuid(),
  status: z.enum(['pending', 'active', 'ending']),
  location: z.string(),
  expires_at: z
    .string()
    .describe('When the connection ends. Rounded to the hour, so that it does not reveal when the connection began.'),
});

export type ConnectionStatusView = z.output<typeof connectionStatus>;
