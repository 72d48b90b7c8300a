import { Inject, Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import { Clock, COMMON_CONFIG, type CommonConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { NodeDirectoryService } from './node-directory.service.js';
import { invalidEnrolment, nodeRetired } from './node-problems.js';
import { type NodeRegistered, type NodeRegistration } from './node.schema.js';
import { type NodeDescription, type Refusal, RegistrationStore } from './registration.store.js';
import { type Hash, hashOf, newSecret } from './secret.js';
import { allResolvers, nodeAddresses, tunnelMtu } from './tunnel-addresses.js';

/** How servers join the fleet, and say anew what they are. */
@Injectable()
export class RegistrationService {
  constructor(
    private readonly store: RegistrationStore,
    private readonly directory: NodeDirectoryService,
    private readonly clock: Clock,
    @Inject(COMMON_CONFIG) private readonly config: CommonConfig,
  ) {}

  /**
   * Enrols a node, or updates the one whose own credential this is. WireGuard public keys are public, so knowing one proves
   * nothing: a key that is there already is refused, unless the token that brought it lost its reply.
   *
   * @param bearer an enrolment token, or the credential of the node with this key
   * @throws {AppError} `enrolment_token_invalid`, `location_mismatch`, `node_exists`, `node_retired`, `invalid_request`
   */
  async register(registration: NodeRegistration, bearer: string | undefined): Promise<NodeRegistered> {
    this.refuseLocalAddress(registration);
    if (bearer === undefined) throw invalidEnrolment('Expected "Authorization: Bearer <enrolment token>".');
    const node = describe(registration);
    const shown = hashOf(bearer);
    const credential = newSecret();
    const now = this.clock.now();
    const id =
      (await this.store.update(node, shown, credential.hash, now)) ??
      (await this.store.enrol(node, shown, credential.hash, now)) ??
      (await this.store.repeat(node, shown, credential.hash, now)) ??
      (await this.refuse(node, shown, now));
    await this.makeKnown();
    const { port } = registration;
    return {
      id,
      credential: credential.text,
      interface: { addresses: [...nodeAddresses], resolvers: allResolvers(), listen_port: port, mtu: tunnelMtu },
    };
  }

  /** Clients are sent there from elsewhere: an address of this machine or this link alone is a mistake, except in tests. */
  private refuseLocalAddress({ ip, ip_v6 }: NodeRegistration): void {
    if (this.config.env !== 'production') return;
    for (const [field, address] of Object.entries({ ip, ip_v6 })) {
      if (address === undefined || !['loopback', 'linkLocal'].includes(ipaddr.parse(address).range())) continue;
      throw new AppError('invalid_request', `${field}: expected an address that clients reach, not a local one`);
    }
  }

  private async refuse(node: NodeDescription, shown: Hash, now: Date): Promise<never> {
    throw refusal(node, await this.store.explain(node.publicKey, shown, now));
  }

  /** So that this process chooses the node at once; a failure is made up for within a second. */
  private async makeKnown(): Promise<void> {
    await this.directory.refresh().catch(() => undefined);
  }
}

function describe(registration: NodeRegistration): NodeDescription {
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

/** What the caller may know of the reason: nothing about a node without its credential or a token that stands. */
function refusal(node: NodeDescription, reason: Refusal): AppError {
  const location = reason.ownCredential === true ? reason.nodeLocation : reason.tokenLocation;
  const mayAskAgain = reason.ownCredential === true || reason.repeat === true;
  if (location === null || (reason.tokenExpired === true && !mayAskAgain)) {
    return invalidEnrolment('This is neither an enrolment token that is valid now nor the credential of this node.');
  }
  if (mayAskAgain && reason.nodeStatus === 'retired') return nodeRetired();
  if (location !== node.locationId) {
    return new AppError(
      'location_mismatch',
      'This credential is for another location, and a node cannot change its own.',
    );
  }
  if (reason.nodeStatus !== null) {
    return new AppError('node_exists', 'A node has this public key. Register again with its own credential.');
  }
  return invalidEnrolment('This enrolment token is used up.');
}
