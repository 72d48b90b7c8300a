import { BackendError } from './backend.js';
import { type Credentials, type CredentialStore } from './credentials.js';

/**
 * This node's credential, as it is at the moment. Rotating it needs no restart: a request that is refused is made again when
 * another credential has been stored meanwhile.
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
