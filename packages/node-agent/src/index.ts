export { BackendError } from './backend.js';
export { type Credentials, type CredentialStore, MemoryCredentialStore, type Registration } from './credentials.js';
export { type EnrolOptions, NodeAgent, type NodeAgentOptions, type NodeAgentStatus } from './node-agent.js';
export { type DriverPeer, MemoryDriver, type PeerDriver } from './peer-driver.js';
export { systemTiming, type Timing } from './timing.js';
