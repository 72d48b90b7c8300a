import { Inject, Injectable } from '@nestjs/common';
import { Clock, COMMON_CONFIG, type CommonConfig } from '../../platform/config/index.js';
import { type DirectoryKey } from '../directory.js';
import { IssuerDirectorySource, IssuerPublishedDirectory, publish, type Published } from '../published-directory.js';
import { serviceChallenge } from '../token-challenge.js';
import { IssuerKeysService } from './issuer-keys.service.js';

@Injectable()
export class IssuerDirectory extends IssuerPublishedDirectory {
  private readonly challenge: Buffer;

  constructor(
    private readonly keys: IssuerKeysService,
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

/** The directory for a verifier in the same process. */
@Injectable()
export class InProcessDirectorySource extends IssuerDirectorySource {
  constructor(private readonly keys: IssuerKeysService) {
    super();
  }

  async read(): Promise<DirectoryKey[]> {
    await this.keys.refresh();
    // Started before the issuer, on a new database.
    if (this.keys.directoryKeys().length === 0) await this.keys.ensureKeys();
    return [...this.keys.directoryKeys()];
  }
}
