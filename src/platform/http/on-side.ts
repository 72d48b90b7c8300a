import { Reflector } from '@nestjs/core';

/** The side that a route belongs to. `process` serves both, such as the health endpoints. */
export type RouteSide = 'gatekeeper' | 'anonymizer' | 'process';

/** Declares the side of a controller's routes. Only that side's log gets their errors. The start fails without it. */
export const OnSide = Reflector.createDecorator<RouteSide>();
