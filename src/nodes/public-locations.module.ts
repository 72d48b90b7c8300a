import { Global, Module } from '@nestjs/common';
import { PublicLocations } from '../platform/public-locations/index.js';
import { LocationsService } from './locations.service.js';
import { NodesModule } from './nodes.module.js';

/** Global for the one thing of the fleet that is public, which a gatekeeper in this process takes from here. */
@Global()
@Module({
  imports: [NodesModule],
  providers: [{ provide: PublicLocations, useExisting: LocationsService }],
  exports: [PublicLocations],
})
export class PublicLocationsModule {}
