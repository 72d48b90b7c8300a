import { Module } from '@nestjs/common';
import { every, upkeepJobs } from '../platform/background/index.js';
import { NetworkUpkeep } from '../prisma/network/index.js';
import { EnrolmentTokens } from './enrolment-tokens.js';
import { EnrolmentTokenStore } from './enrolment-token.store.js';
import { Fleet } from './fleet.js';
import { FleetStore } from './fleet.store.js';
import { healthJob, HealthStore } from './health.store.js';
import { LocationStore } from './location.store.js';
import { Locations } from './locations.js';
import { LocationsController } from './locations.controller.js';
import { LocationsService } from './locations.service.js';
import { NodeAuthenticator } from './node-authenticator.js';
import { NodeController } from './node.controller.js';
import { NodeDirectory } from './node-directory.js';
import { NodeHealth } from './node-health.js';
import { NodeStore } from './node.store.js';
import { PulseService } from './pulse.service.js';
import { RegistrationService } from './registration.service.js';
import { RegistrationStore } from './registration.store.js';

const operatorServices = [Locations, EnrolmentTokens, Fleet];

/** The edge nodes: how they join, whether they live, which one a connection goes to. */
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
    NodeAuthenticator,
    NodeDirectory,
    NodeHealth,
    PulseService,
    RegistrationService,
    ...operatorServices,
    ...upkeepJobs(
      NetworkUpkeep,
      every(5, healthJob, NodeHealth, (health) => health.check()),
      every(3_600, 'retired-nodes', NodeHealth, (health) => health.forgetRetired()),
      every(300, 'enrolment-token-purge', EnrolmentTokens, (tokens) => tokens.purge()),
    ),
  ],
  // The authenticator is for NodeGuard, which Nest builds within the module that uses it.
  exports: [LocationsService, NodeAuthenticator, NodeDirectory, NodeHealth, ...operatorServices],
})
export class NodesModule {}
