import { type Tunnel } from './protocol.js';

/** What a node registers with. */
export interface Registration {
  /** The node's WireGuard public key, standard base64. */
  readonly publicKey: string;
  readonly ip: string;
  readonly ipV6?: string;
  readonly port?: number;
  readonly locationId: string;
  readonly capacity?: number;
  readonly agentVersion?: string;
}

/** The result of a registration. The credential is a secret. */
export interface Credentials {
  /** Node id. */
  readonly id: string;
  readonly credential: string;
  readonly interface: Tunnel;
  /** What the node registered with. */
  readonly registered: Registration;
}

/** Stores the credentials between runs. It is read again after a refusal, so a rotated credential needs no restart. */
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
