import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { AppError } from '../errors/index.js';
import { sendProblem } from './problem.filter.js';

const tooLong = () =>
  new AppError('request_timeout', 'The response was not ready in time. Try again.', {
    headers: { 'retry-after': '1' },
  });

/**
 * Answers `request_timeout` for handlers that take too long, except for streams. The handler continues to run. Fastify's own
 * `handlerTimeout` is not used: it stops at the `close` of the request, which Node emits as soon as the body has been read.
 */
export function limitTime(fastify: FastifyInstance, milliseconds: number): void {
  // Counts from the moment the request has arrived completely. Its arrival has a limit of its own.
  fastify.addHook('preValidation', (request: FastifyRequest, reply: FastifyReply, done) => {
    const { stream } = request.routeOptions.config as { stream?: boolean };
    if (stream !== true) {
      const timer = setTimeout(() => {
        if (!reply.sent) sendProblem(reply, tooLong());
      }, milliseconds);
      reply.raw.once('close', () => clearTimeout(timer));
    }
    done();
  });
}
