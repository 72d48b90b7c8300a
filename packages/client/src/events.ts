import { type PartitioningSuspected } from './errors.js';

/** What the SDK does by itself and an app may want to show or log. Nothing in it names a token or key. */
export type ClientEvent =
  /** Tokens were fetched as planned. */
  | { readonly type: 'drawn'; readonly tokens: number }
  /**
   * The wallet had run dry, so tokens were fetched out of turn. The issuer sees that, and when: somebody who watches both
   * sides could tell that this person connects about now.
   */
  | { readonly type: 'drawn_out_of_turn'; readonly tokens: number }
  /** Tokens were given up: `retired` by the operator with their key, or `refused` by the service when they were spent. */
  | { readonly type: 'tokens_lost'; readonly tokens: number; readonly reason: 'retired' | 'refused' }
  /** Tokens of such a key are not used. */
  | { readonly type: 'partitioning_suspected'; readonly error: PartitioningSuspected }
  /** A draw that runs by itself did not succeed, and will be tried again. */
  | { readonly type: 'draw_failed'; readonly error: unknown }
  /** A connection could not be renewed yet; it will be tried again. */
  | { readonly type: 'renewal_failed'; readonly error: unknown };

export type OnEvent = (event: ClientEvent) => void;
