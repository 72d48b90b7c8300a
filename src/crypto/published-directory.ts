import { AppError } from '../platform/errors/index.js';
import { type DirectoryKey, entityTagOf, renderDirectory } from './directory.js';

export interface Published {
  readonly body: string;
  /** Strong, with its quotes. */
  readonly etag: string;
}

/** The directory as this process publishes it: the same for every caller. */
abstract class PublishedDirectory {
  /** @throws {AppError} `unavailable` while no key is known yet */
  abstract current(): Published;
}

/** Rendered from the issuer's own keys. */
export abstract class IssuerPublishedDirectory extends PublishedDirectory {}

/** Rendered from what the verifier has learnt. */
export abstract class NetworkPublishedDirectory extends PublishedDirectory {}

/** Where the verifier learns the issuer's keys. Rejects when the answer cannot be had or believed. */
export abstract class IssuerDirectorySource {
  abstract read(): Promise<DirectoryKey[]>;
}

/** @throws {AppError} `unavailable` without a single key: an empty list would say that every token is worthless */
export function publish(keys: readonly DirectoryKey[], challenge: Uint8Array, now: Date): Published {
  if (keys.length === 0) {
    throw new AppError('unavailable', 'The issuer keys are not known yet. Try again.', {
      headers: { 'retry-after': '1' },
    });
  }
  const body = renderDirectory(keys, challenge, now);
  return { body, etag: entityTagOf(body) };
}
