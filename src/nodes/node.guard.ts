import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { bearerToken } from '../platform/http/index.js';
import { AnonymizerRateLimiter } from '../platform/rate-limit/index.js';
import { rememberNode } from './current-node.js';
import { NodeAuthenticatorService } from './node-authenticator.service.js';
import { invalidNodeCredential } from './node-problems.js';

/**
 * Lets a node through to its own `/node/:id/…`: `Authorization: Bearer <credential>`. Retired nodes too, so that they can
 * acknowledge what they remove.
 *
 * A credential that the fleet's snapshot does not know counts against the address it comes from, before the database is
 * asked: a flood of guesses reads nothing there. A known one does not, for a node shares its address with all whom it carries.
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
    const isFamiliar = credential !== undefined && this.authenticator.isFamiliar(id, credential);
    if (!isFamiliar) await this.limiter.consume('address', request.ip);
    const node = credential === undefined ? undefined : await this.authenticator.authenticate(id, credential);
    if (node === undefined) throw invalidNodeCredential();
    await this.limiter.consume('node', node.id);
    rememberNode(request, node);
    return true;
  }
}
