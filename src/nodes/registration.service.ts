import { Inject, Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import { Clock, COMMON_CONFIG, type CommonConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { NodeDirectoryService } from './node-directory.service.js';
import { invalidEnrolment, nodeRetired } from './node-problems.js';
import { type NodeRegistered, type NodeRegistration } from './node.schema.js';
import { type NodeDescription, type RefusalReason, RegistrationStore } from './registration.store.js';
import { type Hash, hashOf, newSecret } from './secret.js';
import { allResolvers, nodeAddresses, tunnelMtu } from './tunnel-addresses.js';

/** Registers new nodes, and updates registered ones. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly store: RegistrationStore,
    private readonly directory: NodeDirectoryService,
    private readonly clock: Clock,
    @Inject(COMMON_CONFIG) private readonly config: CommonConfig,
  ) {}

  /**
   * Enrols a new node with an enrolment token, or updates a node that sends its own credential. Knowing a WireGuard public key
   * proves nothing. So a key that is registered already is refused, unless the same token repeats its enrolment because the
   * response was lost.
   *
   * @param bearer an enrolment token, or the credential of the node with this key
   * @throws {AppError} `enrolment_token_invalid`, `location_mismatch`, `node_exists`, `node_retired`, `invalid_request`
   */
  async register(registration: NodeRegistration, bearer: string | undefined): Promise<NodeRegistered> {
    this.refuseLocalAddress(registration);
    if (bearer === undefined) throw invalidEnrolment('Send "Authorization: Bearer <enrolment token>".');
    const node = toDescription(registration);
    const bearerHash = hashOf(bearer);
    const credential = newSecret();
    const now = this.clock.now();
    const id =
      (await this.store.update(node, bearerHash, credential.hash, now)) ??
      (await this.store.enrol(node, bearerHash, credential.hash, now)) ??
      (await this.store.repeatEnrolment(node, bearerHash, credential.hash, now)) ??
      (await this.refuse(node, bearerHash, now));
    await this.refreshDirectory();
    const { port } = registration;
    return {
      id,
      credential: credential.text,
      interface: { addresses: [...nodeAddresses], resolvers: allResolvers(), listen_port: port, mtu: tunnelMtu },
    };
  }

  /** Clients connect to this address over the internet: a loopback or link-local address is a mistake, except in tests. */
  private refuseLocalAddress({ ip, ip_v6 }: NodeRegistration): void {
    if (this.config.env !== 'production') return;
    for (const [field, address] of Object.entries({ ip, ip_v6 })) {
      if (address === undefined || !['loopback', 'linkLocal'].includes(ipaddr.parse(address).range())) continue;
      throw new AppError(
        'invalid_request',
        `${field}: expected an address that clients can reach, not a loopback or link-local one`,
      );
    }
  }

  private async refuse(node: NodeDescription, bearerHash: Hash, now: Date): Promise<never> {
    throw refusal(node, await this.store.findRefusalReason(node.publicKey, bearerHash, now));
  }

  /** Lets this process use the node at once. A failure does not matter: the next refresh follows within about a second. */
  private async refreshDirectory(): Promise<void> {
    await this.directory.refresh().catch(() => undefined);
  }
}

function toDescription(registration: NodeRegistration): NodeDescription {
  return {
    publicKey: registration.public_key,
    locationId: registration.location_id,
    ip: registration.ip,
    ipV6: registration.ip_v6 ?? null,
    port: registration.port,
    capacity: registration.capacity,
    agentVersion: registration.agent_version ?? null,
  };
}

/** The reason as far as the caller may know it: without the node's credential or a valid token, nothing about the node. */
function refusal(node: NodeDescription, reason: RefusalReason): AppError {
  const location = reason.ownCredential === true ? reason.nodeLocation : reason.tokenLocation;
  const mayRetry = reason.ownCredential === true || reason.repeat === true;
  if (location === null || (reason.tokenExpired === true && !mayRetry)) {
    return invalidEnrolment(
      'The bearer is neither a valid enrolment token nor the credential of this node. Ask the operator for a new token.',
    );
  }
  if (mayRetry && reason.nodeStatus === 'retired') return nodeRetired();
  if (location !== node.locationId) {
    return new AppError(
      'location_mismatch',
      'This token or credential is for another location. A node cannot change its location.',
    );
  }
  if (reason.nodeStatus !== null) {
    return new AppError(
      'node_exists',
      'A node with this public key exists already. Update it with its own credential, or use a new key.',
    );
  }
  return invalidEnrolment('This enrolment token is used up. Ask the operator for a new token.');
}
