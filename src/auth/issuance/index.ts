export { IssuanceStatistics } from './issuance-statistics.service.js';
export { IssuanceModule } from './issuance.module.js';
export { TokenQuota } from './token-quota.service.js';
