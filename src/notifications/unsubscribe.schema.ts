import { z } from 'zod';

export const unsubscribeToken = z.strictObject({
  token: z
    .string()
    .max(200)
    .regex(/^[\w-]{40,200}$/, { error: 'expected the whole address that the mail has' })
    .describe('As the mail has it.'),
});
export type UnsubscribeToken = z.output<typeof unsubscribeToken>;
