export { type AppleControls, type Purchase, type PurchaseOptions } from './controls.js';
export { type Product } from './products.js';
export { type AppleStandIn, type AppleStandInOptions, startAppleStandIn } from './stand-in.js';
