import { Global, Module } from '@nestjs/common';
import { NetworkPrisma, NetworkMaintenance } from './network-prisma.js';

@Global()
@Module({ providers: [NetworkPrisma, NetworkMaintenance], exports: [NetworkPrisma, NetworkMaintenance] })
export class NetworkPrismaModule {}
