export { type StripeControls } from './controls.js';
export { type StripeStandIn, type StripeStandInOptions, startStripeStandIn } from './stand-in.js';
