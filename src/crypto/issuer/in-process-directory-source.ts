import { Injectable } from '@nestjs/common';
import { type DirectoryKey } from '../directory.js';
import { IssuerDirectorySource } from '../published-directory.js';
import { IssuerKeysService } from './issuer-keys.service.js';

/** The directory for a verifier in the same process. */
@Injectable()
export class InProcessDirectorySource extends IssuerDirectorySource {
  constructor(private readonly keys: IssuerKeysService) {
    super();
  }

  async read(): Promise<DirectoryKey[]> {
    await this.keys.refresh();
    // On a new database the verifier may start before the issuer has created its keys.
    if (this.keys.directoryKeys().length === 0) await this.keys.ensureKeys();
    return [...this.keys.directoryKeys()];
  }
}
