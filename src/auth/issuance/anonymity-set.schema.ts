import { z } from 'zod';

export const anonymitySetReport = z
  .strictObject({
    keyId: z.string().describe('Id of the key that signs now: 32 bytes, base64url.'),
    tokens: z
      .union([z.literal('<20'), z.int().min(20)])
      .describe(
        'Number of tokens that the key has signed, rounded to two significant digits; "<20" for fewer than 20.',
      ),
    asOf: z.iso.datetime().describe('When the tokens were counted, at most about an hour ago.'),
  })
  .meta({
    examples: [{ keyId: Buffer.alloc(32, 0xa5).toString('base64url'), tokens: 4200, asOf: '2030-01-01T12:00:01.000Z' }],
  });

export type AnonymitySetReport = z.input<typeof anonymitySetReport>;
