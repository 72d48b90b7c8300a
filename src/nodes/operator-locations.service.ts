import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { AppError } from '../platform/errors/index.js';
import { type LocationRecord } from './fleet-snapshot.js';
import { LocationStore } from './location.store.js';
import { unknownLocation } from './node-problems.js';
import { locationId } from './node.schema.js';

export const newLocation = z.strictObject({
  id: locationId,
  country: z.string().regex(/^[A-Z]{2}$/, { error: 'expected an ISO 3166-1 alpha-2 code, such as DE' }),
  city: z.string().trim().min(1).max(80),
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
});

/** Manages the locations that users can choose; used by the operator. */
@Injectable()
export class OperatorLocationsService {
  constructor(private readonly store: LocationStore) {}

  async list(): Promise<LocationRecord[]> {
    return this.store.list();
  }

  /**
   * Adds a location. Users can choose it at once.
   *
   * @throws {ZodError} when a field does not match `newLocation`
   * @throws {AppError} `location_exists`
   */
  async add(location: z.input<typeof newLocation>): Promise<LocationRecord> {
    const checked = newLocation.parse(location);
    if (await this.store.add(checked)) return { ...checked, enabled: true };
    throw new AppError('location_exists', `The location ${checked.id} exists already. Choose another id.`);
  }

  /**
   * Enables or disables a location. The connections of a disabled location stay until they end.
   *
   * @throws {AppError} `unknown_location`
   */
  async setEnabled(id: string, enabled: boolean): Promise<void> {
    if (!(await this.store.setEnabled(id, enabled))) throw unknownLocation();
  }
}
