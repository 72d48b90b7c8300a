import { applyDecorators, HttpCode, SerializeOptions } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import { type z } from 'zod';
import { type ProblemCode, problems } from '../errors/index.js';

/** The response of a handler: its status and schema. Fields that the schema does not declare never leave the process. */
export function Returns(status: number, schema: z.ZodType, description = 'Success'): MethodDecorator {
  return applyDecorators(
    HttpCode(status),
    SerializeOptions({ schema }),
    ApiResponse({ status, description, standardSchema: schema }),
  );
}

/** The problems that a handler may answer, for the API reference. */
export function Problems(...codes: ProblemCode[]): MethodDecorator {
  const byStatus = Map.groupBy(codes, (code) => problems[code][0]);
  return applyDecorators(
    ...[...byStatus].map(([status, sameStatus]) =>
      ApiResponse({
        status,
        description: sameStatus.map((code) => `\`${code}\` ${problems[code][1]}`).join(' · '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      }),
    ),
  );
}
