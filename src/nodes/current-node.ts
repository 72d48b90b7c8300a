import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { type NodeStatus } from '../prisma/network/index.js';

/** The node that a request comes from, as `NodeGuard` recognised it. */
export interface AuthenticatedNode {
  readonly id: string;
  readonly status: NodeStatus;
  /** SHA-256 of the credential that it showed. */
  readonly credentialHash: Uint8Array;
}

const recognised = new WeakMap<object, AuthenticatedNode>();

export function rememberNode(request: object, node: AuthenticatedNode): void {
  const { id, status, credentialHash } = node;
  recognised.set(request, { id, status, credentialHash });
}

/** The node itself, as a parameter of a handler behind `NodeGuard`. */
export const CurrentNode = createParamDecorator((_: unknown, context: ExecutionContext): AuthenticatedNode => {
  const node = recognised.get(context.switchToHttp().getRequest<object>());
  if (node === undefined) throw new Error('@CurrentNode() needs @UseGuards(NodeGuard) on its handler');
  return node;
});
