import { z } from 'zod';

/**
 * Decodes base64url (RFC 4648 §5) strictly. Node's decoder skips unknown characters and ignores unused bits, so several texts
 * could decode to the same token. Here every value has one encoding, with or without padding.
 *
 * @param bytes the required length of the decoded value; any length when omitted
 * @returns undefined unless `text` is base64url, unpadded or correctly padded, with its unused bits zero
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

/** base64url with padding, which RFC 9578 §4 and RFC 9577 §2 require. */
export function encodePaddedBase64url(bytes: Uint8Array): string {
  const text = encodeBase64url(bytes);
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}

/** Schema of a field with exactly this many bytes as base64url; parses to a Buffer. */
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
