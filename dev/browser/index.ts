export { bundleForBrowser } from './bundle.js';
export { findChromium, launchChromium } from './chromium.js';
