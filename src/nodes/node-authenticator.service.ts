import { Injectable } from '@nestjs/common';
import { type AuthenticatedNode } from './current-node.js';
import { NodeDirectoryService } from './node-directory.service.js';
import { isNodeId, type NodeIdentity, NodeStore } from './node.store.js';
import { hashOf, sameHash } from './secret.js';

/** Verifies node credentials. */
@Injectable()
export class NodeAuthenticatorService {
  constructor(
    private readonly store: NodeStore,
    private readonly directory: NodeDirectoryService,
  ) {}

  /**
   * Whether the credential could be the node's, by the hints of the snapshot in memory. Reads no database, and does not
   * authenticate.
   */
  matchesCachedHint(nodeId: string, credential: string): boolean {
    const hints = this.directory.endpoint(nodeId)?.credentialHints ?? '';
    const hint = hashOf(credential).toString('hex', 0, 4);
    return hints.startsWith(hint) || hints.slice(8) === hint;
  }

  /**
   * Verifies a credential. A rotated credential replaces the old one when it is first used. When two first uses race, one
   * replaces the credential, and the other finds the new one on its second attempt.
   *
   * @returns undefined when the node is unknown or the credential is wrong
   */
  async authenticate(nodeId: string, credential: string): Promise<NodeIdentity | undefined> {
    if (!isNodeId(nodeId)) return undefined;
    const hash = hashOf(credential);
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      const node = await this.store.find(nodeId);
      if (node === undefined) return undefined;
      if (sameHash(hash, node.credentialHash)) return node;
      if (!sameHash(hash, node.nextCredentialHash)) return undefined;
      if (await this.store.promoteCredential(nodeId, hash)) return { ...node, credentialHash: hash };
    }
    return undefined;
  }

  /**
   * For event streams, which outlive their request: returns those of these nodes that may keep their stream, because their
   * credential is unchanged and they were not retired since.
   */
  async filterAuthorised(nodes: readonly AuthenticatedNode[]): Promise<ReadonlySet<AuthenticatedNode>> {
    const current = new Map((await this.store.findAll(nodes.map(({ id }) => id))).map((node) => [node.id, node]));
    return new Set(
      nodes.filter(({ id, status, credentialHash }) => {
        const row = current.get(id);
        if (row === undefined || (row.status === 'retired' && status !== 'retired')) return false;
        return sameHash(credentialHash, row.credentialHash);
      }),
    );
  }
}
