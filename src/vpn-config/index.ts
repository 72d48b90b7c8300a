export { VpnConfigModule } from './vpn-config.module.js';
