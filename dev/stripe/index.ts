export { type StripeStandIn, type StripeStandInOptions, startStripeStandIn } from './stand-in.js';
