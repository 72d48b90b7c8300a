import { Injectable } from '@nestjs/common';
import { type AuthenticatedNode } from './current-node.js';
import { NodeDirectoryService } from './node-directory.service.js';
import { isNodeId, type NodeIdentity, NodeStore } from './node.store.js';
import { hashOf, sameHash } from './secret.js';

/** Tells whether a credential is a node's own. */
@Injectable()
export class NodeAuthenticatorService {
  constructor(
    private readonly store: NodeStore,
    private readonly directory: NodeDirectoryService,
  ) {}

  /** Whether this may be the node's own, as far as this process knows: asks nobody, and lets nobody in. */
  isFamiliar(nodeId: string, credential: string): boolean {
    const hints = this.directory.endpoint(nodeId)?.credentialHints ?? '';
    const shown = hashOf(credential).toString('hex', 0, 4);
    return hints.startsWith(shown) || hints.slice(8) === shown;
  }

  /**
   * A rotated credential replaces the old one when it is first used. Two first uses at once: one replaces, the other finds
   * it replaced when it looks again.
   */
  async authenticate(nodeId: string, credential: string): Promise<NodeIdentity | undefined> {
    if (!isNodeId(nodeId)) return undefined;
    const shown = hashOf(credential);
    for (let look = 1; look <= 2; look += 1) {
      const node = await this.store.find(nodeId);
      if (node === undefined) return undefined;
      if (sameHash(shown, node.credentialHash)) return node;
      if (!sameHash(shown, node.nextCredentialHash)) return undefined;
      if (await this.store.promoteCredential(nodeId, shown)) return { ...node, credentialHash: shown };
    }
    return undefined;
  }

  /**
   * For what outlives a request: which of these nodes may still follow what they were let in to follow, because their
   * credential is the same and no operator has retired them.
   */
  async stillTrusted(nodes: readonly AuthenticatedNode[]): Promise<ReadonlySet<AuthenticatedNode>> {
    const now = new Map((await this.store.findAll(nodes.map(({ id }) => id))).map((node) => [node.id, node]));
    return new Set(
      nodes.filter(({ id, status, credentialHash }) => {
        const known = now.get(id);
        if (known === undefined || (known.status === 'retired' && status !== 'retired')) return false;
        return sameHash(credentialHash, known.credentialHash);
      }),
    );
  }
}
