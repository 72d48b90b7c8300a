import { BackendError } from './backend.js';
import { type Credentials, type CredentialStore } from './credentials.js';

/**
 * Makes requests with this node's current credential. A rotated credential needs no restart: when the backend refuses a request,
 * it is repeated with the stored credential if that has changed.
 */
export class NodeSession {
  constructor(
    private readonly store: CredentialStore,
    private credentials: Credentials,
  ) {}

  get current(): Credentials {
    return this.credentials;
  }

  async replace(credentials: Credentials): Promise<void> {
    await this.store.save(credentials);
    this.credentials = credentials;
  }

  async request<T>(make: (node: Credentials) => Promise<T>): Promise<T> {
    const used = this.credentials;
    try {
      return await make(used);
    } catch (error) {
      if (!isRefusal(error) || !(await this.#isReplaced(used))) throw error;
      return make(this.credentials);
    }
  }

  async #isReplaced(used: Credentials): Promise<boolean> {
    if (this.credentials.credential === used.credential) {
      this.credentials = (await this.store.load().catch(() => undefined)) ?? used;
    }
    return this.credentials.credential !== used.credential;
  }
}

export function isRefusal(failure: unknown): boolean {
  return failure instanceof BackendError && failure.refused;
}
