import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { type NodeStatus } from '../prisma/network/index.js';

/** The node that sent a request, as authenticated by `NodeGuard`. */
export interface AuthenticatedNode {
  readonly id: string;
  readonly status: NodeStatus;
  /** SHA-256 of the credential in the request. */
  readonly credentialHash: Uint8Array;
}

const authenticated = new WeakMap<object, AuthenticatedNode>();

export function rememberNode(request: object, node: AuthenticatedNode): void {
  const { id, status, credentialHash } = node;
  authenticated.set(request, { id, status, credentialHash });
}

/** Injects the authenticated node as a parameter of a handler behind `NodeGuard`. */
export const CurrentNode = createParamDecorator((_: unknown, context: ExecutionContext): AuthenticatedNode => {
  const node = authenticated.get(context.switchToHttp().getRequest<object>());
  if (node === undefined) throw new Error('@CurrentNode() needs @UseGuards(NodeGuard) on its handler');
  return node;
});
