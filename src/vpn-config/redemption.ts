import { type DnsBlocking } from '../prisma/network/index.js';

type Bytes = Buffer<ArrayBuffer>;

/** A token on its way to become a connection. */
export interface RedemptionRequest {
  /** 98 bytes. */
  readonly token: Buffer;
  /** 256 bytes. */
  readonly signature: Buffer;
  readonly location: string;
  /** The client's WireGuard key, 32 bytes; without it we make the pair, and a retry cannot be told from a thief. */
  readonly publicKey: Bytes | undefined;
  readonly dnsBlocking: DnsBlocking;
}
