import { type FastifyInstance } from 'fastify';
import { Histogram } from 'prom-client';

const duration = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'Duration of requests in seconds, by route pattern (never the path itself), method and status.',
  labelNames: ['route', 'method', 'status'],
  buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
});

/** Records aggregates only. There is no access log. */
export function observeRequests(fastify: FastifyInstance): void {
  fastify.addHook('onResponse', async (request, reply) => {
    const { url = 'none', config } = request.routeOptions;
    if ((config as { stream?: boolean }).stream === true) return;
    duration.observe({ route: url, method: request.method, status: reply.statusCode }, reply.elapsedTime / 1000);
  });
}
