import { type ConnectionStatus, type DnsBlocking } from '../prisma/network/index.js';

type Bytes = Buffer<ArrayBuffer>;

/** A row that is to be made: everything but its place. */
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

/** A connection that has its place: the live part of a row. */
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

/** What the database holds under a token's id, or under a public key. */
export type KnownConnection = LiveConnection | { readonly id: string; readonly status: 'ended' };

/** Names one placement of a connection: a late acknowledgement of an earlier one does not count. */
export interface Placement {
  readonly id: string;
  readonly revision: number;
}
