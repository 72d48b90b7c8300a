import { type ConnectionStatus, type DnsBlocking } from '../prisma/network/index.js';

type Bytes = Buffer<ArrayBuffer>;

/** A connection to insert: all columns but the node and the slot. */
export interface WantedConnection {
  readonly id: string;
  readonly keyId: Bytes;
  readonly publicKey: Bytes;
  readonly salt: Bytes;
  readonly secretKeyId: Bytes;
  readonly secretHash: Bytes;
  readonly dnsBlocking: DnsBlocking;
  readonly startedOn: Date;
  readonly expiresAt: Date;
}

/** A connection that has a node and a slot. */
export interface LiveConnection {
  readonly id: string;
  readonly status: Exclude<ConnectionStatus, 'ended'>;
  readonly revision: number;
  readonly nodeId: string;
  readonly slot: number;
  readonly publicKey: Bytes;
  readonly salt: Bytes;
  readonly secretKeyId: Bytes;
  readonly dnsBlocking: DnsBlocking;
  readonly expiresAt: Date;
}

/** A row found by a token's connection id or by a public key. */
export type KnownConnection = LiveConnection | { readonly id: string; readonly status: 'ended' };

/** Identifies one placement of a connection, so that a late acknowledgement of an earlier placement does not count. */
export interface Placement {
  readonly id: string;
  readonly revision: number;
}
