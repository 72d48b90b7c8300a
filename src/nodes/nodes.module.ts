import { Module } from '@nestjs/common';
import { every, maintenanceJobs } from '../platform/background/index.js';
import { NetworkMaintenance } from '../prisma/network/index.js';
import { EnrolmentTokensService } from './enrolment-tokens.service.js';
import { EnrolmentTokenStore } from './enrolment-token.store.js';
import { FleetService } from './fleet.service.js';
import { FleetStore } from './fleet.store.js';
import { healthJob, HealthStore } from './health.store.js';
import { LocationStore } from './location.store.js';
import { OperatorLocationsService } from './operator-locations.service.js';
import { LocationsController } from './locations.controller.js';
import { LocationsService } from './locations.service.js';
import { NodeAuthenticatorService } from './node-authenticator.service.js';
import { NodeController } from './node.controller.js';
import { NodeDirectoryService } from './node-directory.service.js';
import { NodeHealthService } from './node-health.service.js';
import { NodeStore } from './node.store.js';
import { PulseService } from './pulse.service.js';
import { RegistrationService } from './registration.service.js';
import { RegistrationStore } from './registration.store.js';

const operatorServices = [OperatorLocationsService, EnrolmentTokensService, FleetService];

/** The edge nodes: registration, liveness and load balancing. */
@Module({
  controllers: [NodeController, LocationsController],
  providers: [
    EnrolmentTokenStore,
    FleetStore,
    HealthStore,
    LocationStore,
    NodeStore,
    RegistrationStore,
    LocationsService,
    NodeAuthenticatorService,
    NodeDirectoryService,
    NodeHealthService,
    PulseService,
    RegistrationService,
    ...operatorServices,
    ...maintenanceJobs(
      NetworkMaintenance,
      every(5, healthJob, NodeHealthService, (health) => health.check()),
      every(3_600, 'retired-nodes', NodeHealthService, (health) => health.deleteRetired()),
      every(300, 'enrolment-token-purge', EnrolmentTokensService, (tokens) => tokens.purge()),
    ),
  ],
  // NodeAuthenticatorService is for NodeGuard, which Nest instantiates in the module that uses it.
  exports: [LocationsService, NodeAuthenticatorService, NodeDirectoryService, NodeHealthService, ...operatorServices],
})
export class NodesModule {}
