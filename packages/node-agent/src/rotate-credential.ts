import { Backend, type Fetch } from './backend.js';
import { type Credentials, type CredentialStore } from './credentials.js';
import { systemTiming } from './timing.js';

/**
 * Gets this node another credential, stores it and uses it once, which ends the old one. An agent that runs meanwhile is
 * refused with the old one and reads the new one.
 *
 * @throws {BackendError} the old one is still good
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
