export { type CaughtPush, type PushFault } from './messaging.js';
export { type IdTokenOverrides } from './id-tokens.js';
export { type Outage } from './router.js';
export { type FirebaseStandIn, type FirebaseStandInOptions, startFirebaseStandIn } from './stand-in.js';
