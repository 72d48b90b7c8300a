import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { bearerToken } from '../platform/http/index.js';
import { AnonymizerRateLimiter } from '../platform/rate-limit/index.js';
import { rememberNode } from './current-node.js';
import { NodeAuthenticatorService } from './node-authenticator.service.js';
import { invalidNodeCredential } from './node-problems.js';

/**
 * Authenticates a node for its own `/node/:id/…` routes by `Authorization: Bearer <credential>`. Retired nodes pass too, so
 * that they can acknowledge removals.
 *
 * A credential that does not match the fleet's snapshot counts against the rate limit of its address before the database is
 * read, so a flood of guesses causes no database load. A matching one does not count, because a node shares its address with
 * all the clients whose traffic it forwards.
 */
@Injectable()
export class NodeGuard implements CanActivate {
  constructor(
    private readonly authenticator: NodeAuthenticatorService,
    private readonly limiter: AnonymizerRateLimiter,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest<{ Params: { id: string } }>>();
    const credential = bearerToken(request.headers.authorization);
    const { id } = request.params;
    const isKnownCredential = credential !== undefined && this.authenticator.matchesCachedHint(id, credential);
    if (!isKnownCredential) await this.limiter.consume('address', request.ip);
    const node = credential === undefined ? undefined : await this.authenticator.authenticate(id, credential);
    if (node === undefined) throw invalidNodeCredential();
    await this.limiter.consume('node', node.id);
    rememberNode(request, node);
    return true;
  }
}
