import { type CanActivate, type ExecutionContext, Injectable, type OnModuleInit } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import { Loggers } from '../../logger/index.js';
import { OnSide, type RouteSide } from './on-side.js';

/**
 * Knows the side of each request, as its controller declares it. A controller that declares none stops the start: its errors
 * would be written to some side's log by a guess.
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
    // Throws for a side that this process does not serve: its errors would have no log.
    if (undeclared.length === 0) return sides.forEach((side) => void this.loggers.of(side));
    const names = undeclared.map((type) => type?.name).join(', ');
    throw new Error(
      `No side is declared for the routes of ${names}. Add @OnSide('gatekeeper'), 'anonymizer' or 'process'.`,
    );
  }

  /** The first of all guards: what any later step throws is written to the right log. */
  canActivate(context: ExecutionContext): boolean {
    const side = this.reflector.get(OnSide, context.getClass());
    this.sides.set(context.switchToHttp().getRequest<object>(), side);
    return true;
  }

  /** `process` for what met no route, or failed before its route was found. */
  sideOf(request: object): RouteSide {
    return this.sides.get(request) ?? 'process';
  }
}
