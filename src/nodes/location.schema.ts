import { z } from 'zod';

export const locationList = z.strictObject({
  locations: z.array(
    z.strictObject({
      id: z.string().describe('What POST /vpn/config takes as `location`.'),
      country: z.string().describe('ISO 3166-1 alpha-2.'),
      city: z.string(),
      latitude: z.number(),
      longitude: z.number(),
      load: z
        .literal([0, 25, 50, 75, 100])
        .describe('How busy its nodes are, in steps that tell nothing about single people.'),
      available: z.boolean().describe('Whether a node there has room now.'),
    }),
  ),
});

export type LocationList = z.output<typeof locationList>;
