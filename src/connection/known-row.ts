import { type KnownConnection, type LiveConnection } from './connection.js';

type LiveStatus = LiveConnection['status'];

/**
 * What PostgreSQL holds under a token's id, as the client that shows the token finds it. A row is its own when it has the
 * client's public key, and foreign when it has another. A tombstone has no key, so it cannot be told whose it was.
 */
export type KnownRow =
  /** The token has no row. */
  | { readonly is: 'none' }
  /** The token has no row, and the row of another token has this client's public key. */
  | { readonly is: 'none, key in use' }
  | { readonly is: `own, ${LiveStatus}`; readonly connection: LiveConnection }
  | { readonly is: `foreign, ${LiveStatus}` }
  | { readonly is: 'ended' };

/**
 * @param found the row with the token's id, else the one with the client's public key
 * @param id of the only connection that the token can buy
 */
export function knownRow(found: KnownConnection | undefined, id: string, publicKey: Uint8Array): KnownRow {
  if (found === undefined) return { is: 'none' };
  if (found.id !== id) return { is: 'none, key in use' };
  if (found.status === 'ended') return { is: 'ended' };
  if (!found.publicKey.equals(publicKey)) return { is: `foreign, ${found.status}` };
  return { is: `own, ${found.status}`, connection: found };
}
