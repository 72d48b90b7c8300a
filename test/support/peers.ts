import { AllocationStore } from '../../src/connection/allocation.store.js';
import { type WantedConnection } from '../../src/connection/connection.js';
import { ConnectionSecretsService, type LiveConnection } from '../../src/connection/index.js';
import { PeerSignalsService } from '../../src/connection/peer-sync/peer-signals.service.js';
import { anonymizerEnv, type Env, startTestApp, type TestApp } from './app.js';
import { wantedConnection } from './connections.js';
import { addLocation } from './fleet.js';
import { type TestStack } from './stack.js';
import { type TestClock } from './test-clock.js';

/** A running replica of the anonymizer without an issuer. Create its connections with `placeAt`. */
export async function startReplica(stack: TestStack, clock: TestClock, env: Env = {}): Promise<TestApp> {
  const role = { SERVICE_ROLE: 'anonymizer', ISSUER_DIRECTORY_URL: 'http://127.0.0.1:9/' };
  return startTestApp({ ...role, ...anonymizerEnv(stack), ...env }, clock);
}

/** Starts the first replica, and adds the location `de-frankfurt`. */
export async function startFirstReplica(stack: TestStack, clock: TestClock): Promise<TestApp> {
  const service = await startReplica(stack, clock);
  await addLocation(service);
  return service;
}

export const serviceOf = <T>({ app }: TestApp, type: abstract new (...args: never[]) => T): T =>
  app.get<T>(type, { strict: false });

/** Allocates a connection on a node as a redemption at this replica would, but does not wait for the acknowledgement. */
export async function placeAt(
  replica: TestApp,
  nodeId: string,
  overrides: Partial<WantedConnection> = {},
): Promise<LiveConnection> {
  const { currentKeyId } = serviceOf(replica, ConnectionSecretsService);
  const wanted = wantedConnection({ secretKeyId: currentKeyId, ...overrides });
  const placed = await serviceOf(replica, AllocationStore).allocate(wanted, nodeId, 60_000);
  if (placed === undefined) throw new Error('the node has no free slot');
  serviceOf(replica, PeerSignalsService).nodesChanged(nodeId);
  return placed;
}

/** A placement in the format of the node protocol. */
export const placementOf = ({ id, revision }: LiveConnection) => ({ connection_id: id, revision });
