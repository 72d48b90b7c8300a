export { type FakeStripe, type FakeStripeOptions, startFakeStripe } from './fake-stripe.js';
