export { type StripeStandIn, type StripeStandInOptions, startStripeStandIn } from './fake-stripe.js';
