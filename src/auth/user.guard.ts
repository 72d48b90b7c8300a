import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import { bearerToken } from '../platform/http/index.js';
import { GatekeeperRateLimiter } from '../platform/rate-limit/index.js';
import { FirebaseClient, FirebaseTokenError, type VerifiedIdToken } from './firebase.client.js';
import { invalidIdToken, missingIdToken } from './id-token-problems.js';
import { IdentityCacheService, providerProblem } from './identity-cache.service.js';
import { rememberUser } from './current-user.js';

/**
 * Lets signed-in users through: `Authorization: Bearer <Firebase ID token>`. Handlers never see the token; they take a
 * `@CurrentUser()`.
 */
@Injectable()
export class UserGuard implements CanActivate {
  constructor(
    private readonly firebase: FirebaseClient,
    private readonly limiter: GatekeeperRateLimiter,
    private readonly identityCache: IdentityCacheService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const tokenUser = await this.verify(bearerToken(request.headers.authorization));
    await this.limiter.consume('user', tokenUser.uid);
    rememberUser(request, await this.identityCache.identify(tokenUser));
    return true;
  }

  private async verify(idToken: string | undefined): Promise<VerifiedIdToken> {
    if (idToken === undefined) throw missingIdToken();
    try {
      return await this.firebase.verifyIdToken(idToken);
    } catch (error) {
      if (error instanceof FirebaseTokenError) throw invalidIdToken(error.message);
      throw providerProblem(error);
    }
  }
}
