import { Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { type FastifyAdapter } from '@nestjs/platform-fastify';
import { IssuerModule } from '../../crypto/issuer/index.js';
import { every, maintenanceJobs } from '../../platform/background/index.js';
import { IdentityMaintenance } from '../../prisma/identity/index.js';
import { SubscriptionModule } from '../../subscription/index.js';
import { AuthModule } from '../index.js';
import { AnonymitySetController } from './anonymity-set.controller.js';
import { AnonymitySetService } from './anonymity-set.service.js';
import { IssuanceStatisticsService } from './issuance-statistics.service.js';
import { IssuanceStatisticsStore } from './issuance-statistics.store.js';
import { IssuanceStore } from './issuance.store.js';
import { acceptPrivateTokenRequests } from './private-token-request.js';
import { TokenQuotaService } from './token-quota.service.js';
import { VpnTokenController } from './vpn-token.controller.js';
import { VpnTokenService } from './vpn-token.service.js';

/** Issues VPN tokens: signs blinded tokens for users with access. */
@Module({
  imports: [AuthModule, IssuerModule, SubscriptionModule],
  controllers: [VpnTokenController, AnonymitySetController],
  providers: [
    VpnTokenService,
    IssuanceStore,
    IssuanceStatisticsService,
    IssuanceStatisticsStore,
    TokenQuotaService,
    AnonymitySetService,
    ...maintenanceJobs(
      IdentityMaintenance,
      every(600, 'close-issuance', IssuanceStatisticsService, (statistics) => statistics.close()),
    ),
  ],
  exports: [IssuanceStatisticsService, TokenQuotaService],
})
export class IssuanceModule {
  // Not in onModuleInit, because Nest declares the routes before it. The operator's command has no HTTP adapter.
  constructor(host: HttpAdapterHost<FastifyAdapter>) {
    const adapter: FastifyAdapter | null | undefined = host.httpAdapter;
    if (adapter) acceptPrivateTokenRequests(adapter.getInstance());
  }
}
