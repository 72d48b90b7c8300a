import { Reflector } from '@nestjs/core';

/** Whose route it is. `process`: what serves whichever sides are here, such as health. */
export type RouteSide = 'gatekeeper' | 'anonymizer' | 'process';

/** Declares the side of a controller's routes: its log, and no other, gets what goes wrong there. None starts without it. */
export const OnSide = Reflector.createDecorator<RouteSide>();
