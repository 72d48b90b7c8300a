export { KnownLocations } from './known-locations.service.js';
export { PreferencesModule } from './preferences.module.js';
export { PreferencesService } from './preferences.service.js';
