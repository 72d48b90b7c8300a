import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { AppError } from '../errors/index.js';
import { sendProblem } from './problem.filter.js';

/** How long a request may take before its client is told to try again; what it began goes on to its own end. */
const tooLong = () =>
  new AppError('request_timeout', 'The answer was not ready in time. Try again.', { headers: { 'retry-after': '1' } });

/**
 * Answers for handlers that take too long, streams excepted. Not by Fastify's own `handlerTimeout`: that stops counting at the
 * `close` of the request, which Node announces as soon as a body has been read.
 */
export function limitTime(fastify: FastifyInstance, milliseconds: number): void {
  // From when the request is all there: until then, its arrival has a limit of its own.
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
