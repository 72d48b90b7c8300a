export { type Purchase } from './controls.js';
export { type Product } from './products.js';
export { type AppleStandIn, type AppleStandInOptions, startAppleStandIn } from './fake-apple.js';
