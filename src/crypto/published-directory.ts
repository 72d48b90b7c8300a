import { type Clock, type CommonConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type DirectoryKey, entityTagOf, renderDirectory } from './directory.js';
import { serviceChallenge } from './token-challenge.js';

export interface RenderedDirectory {
  readonly body: string;
  /** A strong entity tag, with its quotes. */
  readonly etag: string;
}

/** The directory as this process publishes it; the same for every client. */
class PublishedDirectory {
  private readonly challenge: Buffer;

  /** @param keys returns the keys that the process knows now */
  constructor(
    private readonly keys: () => readonly DirectoryKey[],
    private readonly clock: Clock,
    config: CommonConfig,
  ) {
    this.challenge = serviceChallenge(config);
  }

  /** @throws {AppError} `unavailable` without any key: clients would take an empty list to mean that no token is valid */
  current(): RenderedDirectory {
    const keys = this.keys();
    if (keys.length === 0) {
      throw new AppError('unavailable', 'The issuer keys have not been loaded yet. Try again.', {
        headers: { 'retry-after': '1' },
      });
    }
    const body = renderDirectory(keys, this.challenge, this.clock.now());
    return { body, etag: entityTagOf(body) };
  }
}

/** Rendered from the issuer's own keys. */
export class IssuerPublishedDirectory extends PublishedDirectory {}

/** Rendered from the verifier's copy of the keys. Must equal the issuer's, byte for byte; clients can compare the two. */
export class NetworkPublishedDirectory extends PublishedDirectory {}

/** Where the verifier reads the issuer's keys. Rejects when the directory cannot be fetched or is invalid. */
export abstract class IssuerDirectorySource {
  abstract read(): Promise<DirectoryKey[]>;
}
