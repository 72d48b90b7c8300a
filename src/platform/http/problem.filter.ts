import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Loggers } from '../../logger/index.js';
import { AppError, ErrorTranslations, problemMediaType } from '../errors/index.js';
import { RouteSides } from './route-sides.js';
import { incomplete } from './unreadable.js';

/** Renders every error as problem+json (RFC 9457). An unexpected error is logged without its message. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly loggers: Loggers,
    private readonly sides: RouteSides,
    private readonly translations: ErrorTranslations,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = this.translations.translate(error) ?? this.unexpected(error, request);
    sendProblem(reply, problem.code === 'request_timeout' && isArriving(request) ? incomplete : problem);
  }

  private unexpected(error: unknown, request: FastifyRequest): AppError {
    this.loggers.of(this.sides.sideOf(request)).error('unexpected_error', error);
    return new AppError('internal_error', 'The service has a fault. Try again later, or report it.');
  }
}

/** Whether the request's body is still arriving. */
const isArriving = ({ raw }: FastifyRequest) => raw.complete === false;

export function sendProblem(reply: FastifyReply, problem: AppError): void {
  // The status of a stream that has started cannot change any more.
  if (reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  // The rest of the body is not read, so the connection cannot carry another request.
  if (isArriving(reply.request)) void reply.header('connection', 'close');
  void reply
    .status(problem.status)
    .headers({ ...problem.headers, 'cache-control': 'no-store' })
    .type(problemMediaType)
    .send(JSON.stringify(problem.toDocument()));
}
