export { type PublicLocation, PublicLocations } from './public-locations.js';
