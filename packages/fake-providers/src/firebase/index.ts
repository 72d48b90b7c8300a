export { type IdTokenOverrides } from './id-tokens.js';
export { type FirebaseStandIn, type FirebaseStandInOptions, startFirebaseStandIn } from './fake-firebase.js';
