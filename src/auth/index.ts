export { AuthModule } from './auth.module.js';
export { type Entitlement, EntitlementReader } from './entitlement-reader.js';
export { IssuanceStatistics } from './issuance-statistics.service.js';
export { People } from './people.service.js';
export { CurrentPerson, type Person } from './person.js';
export { PersonGuard } from './person.guard.js';
export { VpnTokenModule } from './vpn-token.module.js';
