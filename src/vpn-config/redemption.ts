import { type DnsBlocking } from '../prisma/network/index.js';

type Bytes = Buffer<ArrayBuffer>;

/** A request to redeem a token for a connection. */
export interface RedemptionRequest {
  /** 98 bytes. */
  readonly token: Buffer;
  /** 256 bytes. */
  readonly signature: Buffer;
  readonly location: string;
  /** The client's WireGuard key, 32 bytes. Without it we generate the pair, and cannot tell a retry from a theft. */
  readonly publicKey: Bytes | undefined;
  readonly dnsBlocking: DnsBlocking;
}
