import { StandardSchemaValidationPipe, type StandardSchemaValidationPipeOptions } from '@nestjs/common';
import { AppError } from '../errors/index.js';

type Issues = Parameters<NonNullable<StandardSchemaValidationPipeOptions['exceptionFactory']>>[0];

const maxErrors = 20;

/** Validates every `@Body`, `@Query` and `@Param` that names a schema. The error says what was expected of each bad field. */
export function validationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({ exceptionFactory: invalidRequest });
}

function invalidRequest(issues: Issues): AppError {
  const errors = issues.slice(0, maxErrors).map(({ path = [], message }) => ({
    field: cut(path.map((segment) => String(typeof segment === 'object' ? segment.key : segment)).join('.'), 80),
    message: cut(message, 240),
  }));
  const [first] = errors;
  const detail =
    first === undefined ? 'The request does not have the expected form.' : `${first.field || 'body'}: ${first.message}`;
  return new AppError('invalid_request', detail, { extras: { errors } });
}

/** Names of unknown members come from the caller, so they are cut: an error never repeats a large input. */
function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}
