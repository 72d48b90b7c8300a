import { z } from 'zod';

export const locationList = z.strictObject({
  locations: z.array(
    z.strictObject({
      id: z.string().describe('The `location` for POST /vpn/config.'),
      country: z.string().describe('ISO 3166-1 alpha-2.'),
      city: z.string(),
      latitude: z.number(),
      longitude: z.number(),
      load: z
        .literal([0, 25, 50, 75, 100])
        .describe('Load of its nodes in per cent, rounded so coarsely that it does not reveal a single connection.'),
      available: z.boolean().describe('Whether a node at this location has room now.'),
    }),
  ),
});

export type LocationList = z.output<typeof locationList>;
