import helmet from '@fastify/helmet';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify';
import { type CommonConfig } from '../config/index.js';
import { AppError } from '../errors/index.js';
import { observeRequests } from './http-metrics.js';
import { sendProblem } from './problem.filter.js';
import { limitTime } from './request-timeout.js';
import { refuseUnreadable, unreadable } from './unreadable.js';

/** Settings of handlers that differ from the rest, for Nest's `@RouteConfig`. */
export interface RouteSettings {
  /** Largest body in bytes; 64 KiB by default. */
  readonly bodyLimit?: number;
  /** The handler gets the body as raw bytes, to verify a signature over them. */
  readonly rawBody?: boolean;
  /** The endpoint also accepts a form, whose content is not read. */
  readonly form?: boolean;
  /** The response is a stream without end, so it has no time limit. */
  readonly stream?: boolean;
}

const bodyLimit = 64 * 1024;
/** Longest parameter in a path. A longer one matches no route. */
const maxParamLength = 256;

/** What the API reference at `/docs` needs. It loads everything from this service, and no other response is a page. */
const directives = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

export function fastifyAdapter(config: CommonConfig): FastifyAdapter {
  const arrivalMs = config.requestTimeoutS * 1000;
  // Both limits are set, because Node uses the larger one for the whole request. With its defaults (60 s for the headers,
  // checked every 30 s), a client that sends half a body could hold its connection for that long.
  const arrival = { requestTimeout: arrivalMs, headersTimeout: arrivalMs, connectionsCheckingInterval: 500 };
  return new FastifyAdapter({
    logger: false,
    bodyLimit,
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    requestTimeout: arrival.requestTimeout,
    http: arrival,
    forceCloseConnections: 'idle',
    // A process that shuts down answers the requests that still reach it. Fastify's refusal would not be problem+json.
    return503OnClosing: false,
    routerOptions: { maxParamLength, ignoreTrailingSlash: true },
    frameworkErrors: (_error: Error, _request: FastifyRequest, reply: FastifyReply) => sendProblem(reply, unreadable),
    clientErrorHandler: refuseUnreadable,
  });
}

/** Sets up the parts that must exist before Nest declares its routes. */
export async function prepareFastify(app: NestFastifyApplication, config: CommonConfig): Promise<void> {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  // Only JSON, unless an endpoint allows more: Fastify would accept text/plain as well.
  fastify.removeContentTypeParser('text/plain');
  keepRawBodies(fastify);
  const routes = new KnownRoutes();
  fastify.addHook('onRoute', (route) => {
    const settings = (route.config ?? {}) as RouteSettings;
    if (settings.bodyLimit !== undefined) route.bodyLimit = settings.bodyLimit;
    routes.add(route);
  });
  fastify.addHook('onRequest', async (request, reply) => refuseWrongMethod(routes, request, reply));
  observeRequests(fastify);
  limitTime(fastify, config.requestTimeoutS * 1000);
  closeConnectionsAtShutdown(fastify);
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives },
    frameguard: { action: 'deny' },
  });
  if (config.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...config.corsOrigins],
      // The default would forbid PUT, PATCH and DELETE.
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      credentials: false,
      maxAge: 600,
      exposedHeaders: ['etag', 'retry-after', 'www-authenticate'],
    });
  }
}

/** Parses JSON as Fastify does, except for routes with `rawBody`. Forms are accepted only by routes with `form`. */
function keepRawBodies(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser('application/json');
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if ((request.routeOptions.config as RouteSettings).rawBody === true) done(null, body);
    else void parseJson(request, body.toString(), done);
  });
  fastify.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (request, _body, done) => {
    const isAccepted = (request.routeOptions.config as RouteSettings).form === true;
    done(isAccepted ? null : Object.assign(new Error('no forms'), { statusCode: 415 }));
  });
}

/** At shutdown every response closes its connection. An open connection would delay the end of the process. */
function closeConnectionsAtShutdown(fastify: FastifyInstance): void {
  let isClosing = false;
  fastify.addHook('preClose', (done) => {
    isClosing = true;
    done();
  });
  fastify.addHook('onSend', (_request, reply, payload, done) => {
    if (isClosing) void reply.header('connection', 'close');
    done(null, payload);
  });
}

/** An existing path answers 405 with `Allow` (RFC 9110 §15.5.6), not 404, to a method that it does not support. */
function refuseWrongMethod(routes: KnownRoutes, request: FastifyRequest, reply: FastifyReply): void {
  if (!request.is404 || request.method === 'OPTIONS') return;
  const allowed = routes.methodsAt(request.url.split('?')[0] ?? '');
  if (allowed.length === 0) return;
  const allow = allowed.join(', ');
  sendProblem(reply, new AppError('method_not_allowed', `This path supports ${allow}.`, { headers: { allow } }));
}

/** The methods that each path supports. */
class KnownRoutes {
  private readonly routes: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];

  add({ url, method }: RouteOptions): void {
    if (url.includes('*')) return;
    const pattern = new RegExp(`^${url.replace(/[.\\]/g, '\\$&').replace(/:[^/]+/g, `[^/]{1,${maxParamLength}}`)}/?$`);
    this.routes.push({ pattern, methods: [method].flat() });
  }

  methodsAt(path: string): string[] {
    return [...new Set(this.routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))];
  }
}
