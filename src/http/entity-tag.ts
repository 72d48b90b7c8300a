/**
 * Whether `If-None-Match` names the tag (RFC 9110 §13.1.2), with its weak comparison: a proxy that compresses may have
 * marked the tag as weak.
 */
export function matchesEntityTag(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()));
}
