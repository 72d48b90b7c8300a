export { type Purchase } from './controls.js';
export { type Product } from './products.js';
export { type FakeApple, type FakeAppleOptions, startFakeApple } from './fake-apple.js';
