import { Injectable } from '@nestjs/common';
import { entityTagOf } from '../crypto/index.js';
import { type PublicLocation, PublicLocations } from '../platform/public-locations/index.js';
import { type FleetSnapshot } from './fleet-snapshot.js';
import { type LocationList } from './location.schema.js';
import { NodeDirectoryService } from './node-directory.service.js';

type Load = LocationList['locations'][number]['load'];

/** The response for every client, rendered once per snapshot. */
export interface PublishedLocations {
  readonly body: string;
  readonly etag: string;
}

@Injectable()
export class LocationsService implements PublicLocations {
  private readonly rendered = new WeakMap<FleetSnapshot, PublishedLocations>();

  constructor(private readonly directory: NodeDirectoryService) {}

  list(): readonly PublicLocation[] {
    return listLocations(this.directory.current()).locations;
  }

  /** @throws {AppError} `unavailable` until the fleet has been read */
  published(): PublishedLocations {
    const snapshot = this.directory.current();
    const known = this.rendered.get(snapshot);
    if (known !== undefined) return known;
    const body = JSON.stringify(listLocations(snapshot));
    const published = { body, etag: entityTagOf(body) };
    this.rendered.set(snapshot, published);
    return published;
  }
}

/** The enabled locations with their load. */
export function listLocations(snapshot: FleetSnapshot): LocationList {
  const loads = snapshot.loads();
  const enabledLocations = [...snapshot.locations.values()].filter(({ enabled }) => enabled);
  return {
    locations: enabledLocations.map(({ id, country, city, latitude, longitude }) => {
      const { load = 1, available = false } = loads.get(id) ?? {};
      return { id, country, city, latitude, longitude, load: quantise(load), available };
    }),
  };
}

/** Rounds to the nearest quarter, so that a single connection is not visible. */
export function quantise(load: number): Load {
  return (Math.min(4, Math.max(0, Math.round(load * 4))) * 25) as Load;
}
