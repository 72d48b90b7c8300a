import { Global, Module } from '@nestjs/common';
import { PublicLocations } from '../platform/public-locations/index.js';
import { LocationsService } from './locations.service.js';
import { NodesModule } from './nodes.module.js';

/** Global, so that a gatekeeper in the same process can read the public list of locations, and nothing else of the fleet. */
@Global()
@Module({
  imports: [NodesModule],
  providers: [{ provide: PublicLocations, useExisting: LocationsService }],
  exports: [PublicLocations],
})
export class PublicLocationsModule {}
