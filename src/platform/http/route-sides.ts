import { type CanActivate, type ExecutionContext, Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import { Loggers } from '../../logger/index.js';
import { OnSide, type RouteSide } from './on-side.js';

/**
 * Knows the side of each request, as its controller declares it. A controller without a side stops the start, because its
 * errors could end up in the wrong side's log.
 */
@Injectable()
export class RouteSides implements CanActivate, OnModuleInit {
  private readonly sides = new WeakMap<object, RouteSide>();

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly reflector: Reflector,
    private readonly loggers: Loggers,
  ) {}

  /** @throws {Error} naming the controllers that declare no side, or the side that this process does not serve */
  onModuleInit(): void {
    const controllers = this.discovery.getControllers().map(({ metatype }) => metatype);
    const sides = controllers.map((type) => (type === null ? 'process' : this.reflector.get(OnSide, type)));
    const undeclared = controllers.filter((_, index) => sides[index] === undefined);
    // Throws for a side that this process does not serve, which has no log here.
    if (undeclared.length === 0) return sides.forEach((side) => void this.loggers.of(side));
    const names = undeclared.map((type) => type?.name).join(', ');
    throw new Error(`The routes of ${names} declare no side. Add @OnSide('gatekeeper'), 'anonymizer' or 'process'.`);
  }

  /** The first of all guards, so that the errors of any later step reach the right log. */
  canActivate(context: ExecutionContext): boolean {
    const side = this.reflector.get(OnSide, context.getClass());
    this.sides.set(context.switchToHttp().getRequest<object>(), side);
    return true;
  }

  /** `process` for a request without a route, and for one that failed before its route was found. */
  sideOf(request: object): RouteSide {
    return this.sides.get(request) ?? 'process';
  }
}
