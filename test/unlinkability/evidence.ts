import { type EntityKind } from './trace.js';

export type Side = 'identity' | 'network';

/** A PostgreSQL server, with superuser rights: what a thief of the disk or a subpoena gets. */
export interface SeizedCluster {
  /** `1` in role `all`; `identity` and `network` when they are apart. */
  readonly name: string;
  readonly ownerUrl: string;
  readonly sides: readonly Side[];
}

export interface SeizedRedis {
  readonly name: string;
  readonly url: string;
  /** All its files. */
  readonly folder: string;
}

/** One process of the service. */
export interface SeizedProcess {
  /** Its role: `all`, `gatekeeper` or `anonymizer`. */
  readonly name: string;
  /** A heap snapshot of V8 (`v8.writeHeapSnapshot` with numeric values). */
  readonly heapFile: string;
  /** `/metrics`, scraped once a second of the machine's clock; `atMs` is the service's clock. */
  readonly metrics: readonly { readonly atMs: number; readonly text: string }[];
}

/** Everything that is left one hour after the last act, and what names its users and connections. */
export interface Evidence {
  readonly clusters: readonly SeizedCluster[];
  readonly redis: readonly SeizedRedis[];
  readonly processes: readonly SeizedProcess[];
  /** Every log file: of the service, PostgreSQL and Redis. */
  readonly logs: readonly { readonly name: string; readonly text: string }[];
  /**
   * The strings that name an entity wherever they occur: a user's id, Firebase UID, e-mail address, keyed hashes made with the
   * identity secret; a connection's id, public key, hash of its token. An insider can compute them all.
   */
  readonly identifiers: Readonly<Record<EntityKind, ReadonlyMap<string, string>>>;
  /** Keyed hashes of client addresses, as rate limits use them: an insider computes them for all addresses. Pseudonym → address. */
  readonly addressPseudonyms: ReadonlyMap<string, string>;
  /** Translates the machine's clock, which PostgreSQL and Redis use, to the service's clock. Unchanged if it is that already. */
  toServiceTime(ms: number): number;
}
