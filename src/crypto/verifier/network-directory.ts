import { Inject, Injectable } from '@nestjs/common';
import { Clock, COMMON_CONFIG, type CommonConfig } from '../../platform/config/index.js';
import { NetworkPublishedDirectory, publish, type Published } from '../published-directory.js';
import { serviceChallenge } from '../token-challenge.js';
import { VerifierKeysService } from './verifier-keys.service.js';

/** The directory as this side knows it: equal to the issuer's, byte for byte, or somebody is being shown another. */
@Injectable()
export class NetworkDirectory extends NetworkPublishedDirectory {
  private readonly challenge: Buffer;

  constructor(
    private readonly keys: VerifierKeysService,
    private readonly clock: Clock,
    @Inject(COMMON_CONFIG) config: CommonConfig,
  ) {
    super();
    this.challenge = serviceChallenge(config);
  }

  current(): Published {
    return publish(this.keys.directoryKeys(), this.challenge, this.clock.now());
  }
}
