import { Global, Module } from '@nestjs/common';
import { every, maintenanceJobs } from '../../platform/background/index.js';
import {
  ANONYMIZER_CONFIG,
  type AnonymizerConfig,
  Clock,
  COMMON_CONFIG,
  type CommonConfig,
} from '../../platform/config/index.js';
import { NetworkMaintenance } from '../../prisma/network/index.js';
import { DirectoryModule } from '../directory.module.js';
import { IssuerDirectorySource, NetworkPublishedDirectory } from '../published-directory.js';
import { serviceChallenge } from '../token-challenge.js';
import { HttpDirectorySource } from './http-directory-source.js';
import { DIRECTORY_SOURCE, VerifierKeysService } from './verifier-keys.service.js';
import { VerifierKeysStore } from './verifier-keys.store.js';

/** Global, because the controller injects the published directory from here. */
@Global()
@Module({
  imports: [DirectoryModule],
  providers: [
    VerifierKeysService,
    VerifierKeysStore,
    ...maintenanceJobs(
      NetworkMaintenance,
      every(3_600, 'verifier-keys', VerifierKeysService, (keys) => keys.purge()),
    ),
    {
      provide: NetworkPublishedDirectory,
      useFactory: (keys: VerifierKeysService, clock: Clock, config: CommonConfig) =>
        new NetworkPublishedDirectory(() => keys.directoryKeys(), clock, config),
      inject: [VerifierKeysService, Clock, COMMON_CONFIG],
    },
    {
      provide: DIRECTORY_SOURCE,
      useFactory: directorySource,
      inject: [ANONYMIZER_CONFIG, COMMON_CONFIG, { token: IssuerDirectorySource, optional: true }],
    },
  ],
  exports: [VerifierKeysService, NetworkPublishedDirectory],
})
export class VerifierModule {}

/** Reads over HTTP when ISSUER_DIRECTORY_URL is set, else from the issuer in this process. */
function directorySource(
  { issuerDirectoryUrl }: AnonymizerConfig,
  common: CommonConfig,
  inProcess?: IssuerDirectorySource,
): IssuerDirectorySource {
  if (issuerDirectoryUrl !== undefined) return new HttpDirectorySource(issuerDirectoryUrl, serviceChallenge(common));
  if (inProcess !== undefined) return inProcess;
  throw new Error('ISSUER_DIRECTORY_URL is missing. Set it, or run the gatekeeper in the same process');
}
