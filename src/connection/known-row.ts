import { type KnownConnection, type LiveConnection } from './connection.js';

type LiveStatus = LiveConnection['status'];

/**
 * The state of a token's row in PostgreSQL, seen from the client that sends the token. The row is `own` when it has the
 * client's public key, and `foreign` when it has another one. A tombstone has no public key, so we cannot tell which it was.
 */
export type KnownRow =
  /** The token has no row. */
  | { readonly state: 'none' }
  /** The token has no row, but the row of another token has this client's public key. */
  | { readonly state: 'none, key in use' }
  | { readonly state: `own, ${LiveStatus}`; readonly connection: LiveConnection }
  | { readonly state: `foreign, ${LiveStatus}` }
  | { readonly state: 'ended' };

/**
 * @param found the row with the token's id, else the one with the client's public key
 * @param id the connection id that is derived from the token
 */
export function knownRow(found: KnownConnection | undefined, id: string, publicKey: Uint8Array): KnownRow {
  if (found === undefined) return { state: 'none' };
  if (found.id !== id) return { state: 'none, key in use' };
  if (found.status === 'ended') return { state: 'ended' };
  if (!found.publicKey.equals(publicKey)) return { state: `foreign, ${found.status}` };
  return { state: `own, ${found.status}`, connection: found };
}
