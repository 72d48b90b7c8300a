export {
  Prisma,
  type Connection,
  type DailyUsage,
  type EnrolmentToken,
  type Location,
  type Node,
  type UsageTally,
  type VerifierKey,
  ConnectionStatus,
  DnsBlocking,
  NodeStatus,
} from '../generated/network/client.js';
export { NetworkPrisma, NetworkUpkeep, upkeepGapSeconds } from './network-prisma.js';
export { NetworkPrismaModule } from './network-prisma.module.js';
