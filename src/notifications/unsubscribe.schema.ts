import { z } from 'zod';

export const unsubscribeToken = z.strictObject({
  token: z
    .string()
    .max(200)
    .regex(/^[\w-]{40,200}$/, { error: 'expected the token of the unsubscribe link in the mail' })
    .describe('The token of the unsubscribe link in the mail.'),
});
export type UnsubscribeToken = z.output<typeof unsubscribeToken>;
