import { Global, Module } from '@nestjs/common';
import { NetworkPrisma, NetworkUpkeep } from './network-prisma.js';

@Global()
@Module({ providers: [NetworkPrisma, NetworkUpkeep], exports: [NetworkPrisma, NetworkUpkeep] })
export class NetworkPrismaModule {}
