import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { bearerToken } from '../http/index.js';
import { AnonymizerRateLimiter } from '../redis/index.js';
import { rememberNode } from './current-node.js';
import { NodeAuthenticator } from './node-authenticator.js';
import { invalidNodeCredential } from './node-problems.js';

/**
 * Lets a node through to its own `/node/:id/…`: `Authorization: Bearer <credential>`. Retired nodes too, so that they can
 * acknowledge what they remove. A wrong guess counts against the address it came from, never against the node.
 */
@Injectable()
export class NodeGuard implements CanActivate {
  constructor(
    private readonly authenticator: NodeAuthenticator,
    private readonly limiter: AnonymizerRateLimiter,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest<{ Params: { id: string } }>>();
    const credential = bearerToken(request.headers.authorization);
    const node =
      credential === undefined ? undefined : await this.authenticator.authenticate(request.params.id, credential);
    if (node === undefined) {
      await this.limiter.consume('address', request.ip);
      throw invalidNodeCredential();
    }
    await this.limiter.consume('node', node.id);
    rememberNode(request, node);
    return true;
  }
}
