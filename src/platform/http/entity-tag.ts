import { AppError } from '../errors/index.js';

/**
 * Whether `If-None-Match` names the tag (RFC 9110 §13.1.2), with its weak comparison: a proxy that compresses may have
 * marked the tag as weak.
 */
export function matchesEntityTag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()));
}

/** The versions that `If-Match` allows to change. */
export type IfMatch = 'any' | readonly number[];

/** The strong entity tag of a version. */
export const versionTag = (version: number) => `"${version}"`;

/**
 * Reads `If-Match` (RFC 9110 §13.1.1) over tags that `versionTag` made. A tag that it did not make matches no version.
 *
 * @throws {AppError} `precondition_required` without one (RFC 6585 §3), `invalid_request` for a malformed list of tags
 */
export function readIfMatch(header: string | undefined): IfMatch {
  if (header === undefined) {
    throw new AppError(
      'precondition_required',
      'Expected If-Match with the ETag of the version that you read, or "*".',
    );
  }
  const tags = header.split(',').map((tag) => tag.trim());
  if (tags.length === 1 && tags[0] === '*') return 'any';
  if (header.length > 1000 || !tags.every((tag) => /^(W\/)?"[\x21\x23-\x7e]*"$/.test(tag))) {
    throw new AppError('invalid_request', 'If-Match: expected an ETag with its quotes, such as "3", or *.');
  }
  return tags.flatMap((tag) => {
    const version = /^"(0|[1-9]\d{0,8})"$/.exec(tag)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
}
