import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import {
  ANONYMIZER_CONFIG,
  type AnonymizerConfig,
  Clock,
  GATEKEEPER_CONFIG,
  type GatekeeperConfig,
} from '../config/index.js';
import { AnonymizerRedis, GatekeeperRedis } from '../redis/index.js';
import { RateLimiter } from './rate-limiter.js';

@Injectable()
export class GatekeeperRateLimiter extends RateLimiter<'address' | 'user'> {
  constructor(redis: GatekeeperRedis, @Inject(GATEKEEPER_CONFIG) config: GatekeeperConfig, clock: Clock) {
    super(redis.client, 'gk:limit', config.secretKey, config.rateLimits, clock);
  }
}

@Injectable()
export class AnonymizerRateLimiter extends RateLimiter<'address' | 'node'> {
  constructor(redis: AnonymizerRedis, @Inject(ANONYMIZER_CONFIG) config: AnonymizerConfig, clock: Clock) {
    super(redis.client, 'an:limit', config.secretKey, config.rateLimits, clock);
  }
}

/** For every gatekeeper controller: limits the requests per minute of one client address. */
@Injectable()
export class GatekeeperAddressLimit implements CanActivate {
  constructor(private readonly limiter: GatekeeperRateLimiter) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    await this.limiter.consume('address', context.switchToHttp().getRequest<FastifyRequest>().ip);
    return true;
  }
}

/** For every anonymizer controller that clients call: limits the requests per minute of one client address. */
@Injectable()
export class AnonymizerAddressLimit implements CanActivate {
  constructor(private readonly limiter: AnonymizerRateLimiter) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    await this.limiter.consume('address', context.switchToHttp().getRequest<FastifyRequest>().ip);
    return true;
  }
}
