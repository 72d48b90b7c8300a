export { IssuanceStatisticsService } from './issuance-statistics.service.js';
export { IssuanceModule } from './issuance.module.js';
export { TokenQuotaService } from './token-quota.service.js';
