export { SeededRandom } from '../common/index.js';
export { type AppleBench, appleClient, appleProducts, startApple } from './apple.js';
export { startStripe, type StripeBench } from './stripe.js';
