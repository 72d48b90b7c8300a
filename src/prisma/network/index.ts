export { Prisma, type DailyUsage, ConnectionStatus, DnsBlocking, NodeStatus } from '../generated/network/client.js';
export { NetworkPrisma, NetworkUpkeep, upkeepGapSeconds } from './network-prisma.js';
export { NetworkPrismaModule } from './network-prisma.module.js';
