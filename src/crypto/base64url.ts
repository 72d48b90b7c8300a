import { z } from 'zod';

/**
 * base64url (RFC 4648 §5), strictly. Node's decoder skips what it does not know and forgives the rest, so two texts could
 * mean one token; here a text has one meaning or none.
 *
 * @param bytes the exact length that the decoded value must have; any length when absent
 * @returns undefined unless `text` is base64url, unpadded or rightly padded, with its unused bits zero
 */
export function decodeBase64url(text: string, bytes?: number): Buffer | undefined {
  const unpadded = text.replace(/=+$/, '');
  const padding = text.length - unpadded.length;
  if (padding !== 0 && padding !== (4 - (unpadded.length % 4)) % 4) return undefined;
  const decoded = Buffer.from(unpadded, 'base64url');
  if (decoded.toString('base64url') !== unpadded) return undefined;
  return bytes === undefined || decoded.length === bytes ? decoded : undefined;
}

/** base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** base64url with padding, which RFC 9578 §4 and RFC 9577 §2 ask for. */
export function encodePaddedBase64url(bytes: Uint8Array): string {
  const text = encodeBase64url(bytes);
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}

/** A field of a request or of a foreign document that holds exactly so many bytes; parses to a Buffer. */
export function base64urlBytes(bytes: number) {
  const length = Math.ceil((bytes * 4) / 3);
  return z
    .string()
    .max(length + 2, { error: `expected ${bytes} bytes as base64url (${length} characters)` })
    .meta({
      minLength: length,
      contentEncoding: 'base64url',
      pattern: '^[A-Za-z0-9_-]+={0,2}$',
      examples: [encodeBase64url(Buffer.alloc(bytes, 0x5a))],
    })
    .transform((text, context) => {
      const decoded = decodeBase64url(text, bytes);
      if (decoded !== undefined) return decoded;
      context.addIssue({ code: 'custom', message: `expected ${bytes} bytes as base64url (${length} characters)` });
      return z.NEVER;
    });
}
