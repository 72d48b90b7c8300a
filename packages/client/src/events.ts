import { type PartitioningSuspected } from './errors.js';

/** Background activity of the SDK that an app may want to show or log. No event contains a token or key. */
export type ClientEvent =
  /** Tokens were fetched as planned. */
  | { readonly type: 'prefetched'; readonly tokens: number }
  /**
   * The wallet was empty, so `connect` fetched tokens. The issuer sees when: an observer of both sides could conclude that this
   * user is connecting now.
   */
  | { readonly type: 'fetched_out_of_turn'; readonly tokens: number }
  /** Tokens were dropped: the operator `retired` their key, or the service `refused` them when they were spent. */
  | { readonly type: 'tokens_lost'; readonly tokens: number; readonly reason: 'retired' | 'refused' }
  /** Keys are inconsistent; tokens of these keys are not used. */
  | { readonly type: 'partitioning_suspected'; readonly error: PartitioningSuspected }
  /** A prefetch of `wallet.keepFilled` failed. It will be retried. */
  | { readonly type: 'prefetch_failed'; readonly error: unknown }
  /** `stayConnected` could not renew a connection yet. It will retry. */
  | { readonly type: 'renewal_failed'; readonly error: unknown };

export type OnEvent = (event: ClientEvent) => void;
