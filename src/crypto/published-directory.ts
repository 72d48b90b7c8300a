import { type Clock, type CommonConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { type DirectoryKey, entityTagOf, renderDirectory } from './directory.js';
import { serviceChallenge } from './token-challenge.js';

export interface Published {
  readonly body: string;
  /** Strong, with its quotes. */
  readonly etag: string;
}

/** The directory as this process publishes it: the same for every caller. */
class PublishedDirectory {
  private readonly challenge: Buffer;

  /** @param keys what the process knows now */
  constructor(
    private readonly keys: () => readonly DirectoryKey[],
    private readonly clock: Clock,
    config: CommonConfig,
  ) {
    this.challenge = serviceChallenge(config);
  }

  /** @throws {AppError} `unavailable` without a single key: an empty list would say that every token is worthless */
  current(): Published {
    const keys = this.keys();
    if (keys.length === 0) {
      throw new AppError('unavailable', 'The issuer keys are not known yet. Try again.', {
        headers: { 'retry-after': '1' },
      });
    }
    const body = renderDirectory(keys, this.challenge, this.clock.now());
    return { body, etag: entityTagOf(body) };
  }
}

/** Rendered from the issuer's own keys. */
export class IssuerPublishedDirectory extends PublishedDirectory {}

/** Rendered from what the verifier has learnt: equal to the issuer's, byte for byte, or a client is being shown another. */
export class NetworkPublishedDirectory extends PublishedDirectory {}

/** Where the verifier learns the issuer's keys. Rejects when the answer cannot be had or believed. */
export abstract class IssuerDirectorySource {
  abstract read(): Promise<DirectoryKey[]>;
}
