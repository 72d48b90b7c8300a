import { z } from 'zod';

export const connectionStatus = z.strictObject({
  connection_id: z.uuid(),
  status: z.enum(['pending', 'active', 'ending']),
  location: z.string(),
  expires_at: z.string().describe('A whole hour: nobody can tell from it when the connection began.'),
});

export type ConnectionStatusView = z.output<typeof connectionStatus>;
