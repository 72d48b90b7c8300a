import { Module } from '@nestjs/common';
import { ConnectionModule } from '../connection/index.js';
import { VerifierModule } from '../crypto/verifier/index.js';
import { NodesModule } from '../nodes/index.js';
import { RedemptionService } from './redemption.service.js';
import { ServiceChallenge } from './service-challenge.js';
import { SpentTokensStore } from './spent-tokens.store.js';
import { TokenInspector } from './token-inspector.js';
import { VpnConfigController } from './vpn-config.controller.js';
import { VpnConfigService } from './vpn-config.service.js';

@Module({
  imports: [ConnectionModule, NodesModule, VerifierModule],
  controllers: [VpnConfigController],
  providers: [RedemptionService, ServiceChallenge, SpentTokensStore, TokenInspector, VpnConfigService],
})
export class VpnConfigModule {}
