import { Module } from '@nestjs/common';
import { ConnectionModule } from '../connection/index.js';
import { VerifierModule } from '../crypto/verifier/index.js';
import { NodesModule } from '../nodes/index.js';
import { RedemptionService } from './redemption.service.js';
import { TokenChallengeService } from './token-challenge.service.js';
import { SpentTokensStore } from './spent-tokens.store.js';
import { TokenInspectorService } from './token-inspector.service.js';
import { VpnConfigController } from './vpn-config.controller.js';
import { VpnConfigService } from './vpn-config.service.js';

@Module({
  imports: [ConnectionModule, NodesModule, VerifierModule],
  controllers: [VpnConfigController],
  providers: [RedemptionService, TokenChallengeService, SpentTokensStore, TokenInspectorService, VpnConfigService],
})
export class VpnConfigModule {}
