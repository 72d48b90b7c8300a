export { type Clock, systemClock } from './clock.js';
export { Deliveries, type DeliveryFaults, type RetryPolicy } from './deliveries.js';
export { type Fault, Faults, type FaultScope, type RequestCount } from './faults.js';
export { post } from './post.js';
export { SeededRandom } from './random.js';
export { StoredJson } from './stored-json.js';
export { closeServer, host, listen, readText } from './server.js';
export { Timeline, type TimelineSnapshot } from './timeline.js';
