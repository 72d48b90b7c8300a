export { type IdTokenOverrides } from './id-tokens.js';
export { type FakeFirebase, type FakeFirebaseOptions, startFakeFirebase } from './fake-firebase.js';
