export { Prisma, type DailyUsage, ConnectionStatus, DnsBlocking, NodeStatus } from '../generated/network/client.js';
export { NetworkPrisma, NetworkMaintenance, maintenanceGapSeconds } from './network-prisma.js';
export { NetworkPrismaModule } from './network-prisma.module.js';
