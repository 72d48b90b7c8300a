import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { Loggers } from '../../logger/index.js';
import { AppError, ErrorTranslations, problemMediaType } from '../errors/index.js';
import { RouteSides } from './route-sides.js';
import { incomplete } from './unreadable.js';

/** Renders every error as problem+json (RFC 9457). What is not meant for the client is logged without its message. */
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
    return new AppError('internal_error', 'This is a fault of the service. Try again, or report it.');
  }
}

/** Its body has not come to an end. */
const isArriving = ({ raw }: FastifyRequest) => raw.complete === false;

export function sendProblem(reply: FastifyReply, problem: AppError): void {
  // A stream that has begun cannot change its status any more.
  if (reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  // What is still coming is not read: the connection can carry no other request.
  if (isArriving(reply.request)) void reply.header('connection', 'close');
  void reply
    .status(problem.status)
    .headers({ ...problem.headers, 'cache-control': 'no-store' })
    .type(problemMediaType)
    .send(JSON.stringify(problem.toDocument()));
}
