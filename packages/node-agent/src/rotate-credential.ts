import { Backend, type Fetch } from './backend.js';
import { type Credentials, type CredentialStore } from './credentials.js';
import { systemTiming } from './timing.js';

/**
 * Gets a new credential for this node, stores it and uses it once, which revokes the old one. A running agent is then refused
 * with the old credential, and reads the new one from the store.
 *
 * @throws {BackendError} when the rotation failed; the old credential stays valid
 */
export async function rotateCredential(
  backendUrl: string,
  store: CredentialStore,
  stored: Credentials,
  fetch: Fetch = globalThis.fetch,
): Promise<void> {
  const backend = new Backend(backendUrl, fetch, systemTiming);
  const next = await backend.register(stored.credential, stored.registered);
  await store.save(next);
  await backend.acknowledge(next, [], []);
}
