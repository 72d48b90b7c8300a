export { KnownLocationsService } from './known-locations.service.js';
export { optionalKinds, type OptionalKind } from './notification-choices.js';
export { PreferencesModule } from './preferences.module.js';
export { type Locale, locales } from './preferences.schema.js';
export { PreferencesService } from './preferences.service.js';
