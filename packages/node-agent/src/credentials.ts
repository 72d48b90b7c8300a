/** What registration gave this node. The credential is a secret. */
export interface Credentials {
  /** Node id. */
  readonly id: string;
  readonly credential: string;
  readonly interface: {
    /** With prefix lengths. */
    readonly addresses: readonly string[];
    readonly listenPort: number;
    readonly mtu: number;
  };
}

/** Where the credentials live between runs. Read again after a refusal, so a rotated credential needs no restart. */
export interface CredentialStore {
  load(): Promise<Credentials | undefined>;
  save(credentials: Credentials): Promise<void>;
}

export class MemoryCredentialStore implements CredentialStore {
  #credentials: Credentials | undefined;

  async load(): Promise<Credentials | undefined> {
    return this.#credentials;
  }

  async save(credentials: Credentials): Promise<void> {
    this.#credentials = credentials;
  }
}
