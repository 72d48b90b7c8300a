export { type Bundle, bundleForBrowser } from './bundle.js';
export { findChromium, launchChromium } from './chromium.js';
