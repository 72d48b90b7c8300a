import { Global, Module, StandardSchemaSerializerInterceptor } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, DiscoveryModule } from '@nestjs/core';
import { ErrorsModule } from '../errors/index.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteSides } from './route-sides.js';
import { validationPipe } from './validation.js';

/** What every endpoint of both sides shares: validated input, schema-checked output, errors as problem+json. */
@Global()
@Module({
  imports: [DiscoveryModule, ErrorsModule],
  providers: [
    RouteSides,
    { provide: APP_GUARD, useExisting: RouteSides },
    { provide: APP_FILTER, useClass: ProblemFilter },
    { provide: APP_PIPE, useFactory: validationPipe },
    { provide: APP_INTERCEPTOR, useClass: StandardSchemaSerializerInterceptor },
  ],
})
export class HttpModule {}
