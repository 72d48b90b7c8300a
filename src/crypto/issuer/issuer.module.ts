import { Global, Module } from '@nestjs/common';
import { every, maintenanceJobs } from '../../platform/background/index.js';
import {
  Clock,
  COMMON_CONFIG,
  type CommonConfig,
  GATEKEEPER_CONFIG,
  type GatekeeperConfig,
} from '../../platform/config/index.js';
import { IdentityMaintenance } from '../../prisma/identity/index.js';
import { DirectoryModule } from '../directory.module.js';
import { IssuerDirectorySource, IssuerPublishedDirectory } from '../published-directory.js';
import { InProcessDirectorySource } from './in-process-directory-source.js';
import { IssuerKeysService } from './issuer-keys.service.js';
import { IssuerKeysStore } from './issuer-keys.store.js';
import { PrivateKeyEncryption } from './private-key-encryption.js';

/** Global, because the controller and a verifier in the same process inject the public directory from here. */
@Global()
@Module({
  imports: [DirectoryModule],
  providers: [
    IssuerKeysService,
    IssuerKeysStore,
    ...maintenanceJobs(
      IdentityMaintenance,
      every(60, 'issuer-keys', IssuerKeysService, (keys) => keys.rotate()),
    ),
    {
      provide: PrivateKeyEncryption,
      useFactory: (config: GatekeeperConfig) =>
        new PrivateKeyEncryption(config.issuerKeyEncryptionKey, config.issuerKeyEncryptionKeyPrevious),
      inject: [GATEKEEPER_CONFIG],
    },
    {
      provide: IssuerPublishedDirectory,
      useFactory: (keys: IssuerKeysService, clock: Clock, config: CommonConfig) =>
        new IssuerPublishedDirectory(() => keys.directoryKeys(), clock, config),
      inject: [IssuerKeysService, Clock, COMMON_CONFIG],
    },
    { provide: IssuerDirectorySource, useClass: InProcessDirectorySource },
  ],
  exports: [IssuerKeysService, IssuerPublishedDirectory, IssuerDirectorySource],
})
export class IssuerModule {}
