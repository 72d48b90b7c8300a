import helmet from '@fastify/helmet';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify';
import { type CommonConfig } from '../config/index.js';
import { AppError } from '../errors/index.js';
import { observeRequests } from './http-metrics.js';
import { sendProblem } from './problem.filter.js';
import { limitTime } from './request-timeout.js';
import { refuseUnreadable, unreadable } from './unreadable.js';

/** Given to Nest's `@RouteConfig` by the few handlers that differ from the rest. */
export interface RouteSettings {
  /** Largest body in bytes; 64 KiB unless told. */
  readonly bodyLimit?: number;
  /** The body is handed over as the bytes that came, for a signature over them. */
  readonly rawBody?: boolean;
  /** A form is taken as well as JSON, and not read. */
  readonly form?: boolean;
  /** The answer is a stream without end: no time limit. */
  readonly stream?: boolean;
}

const bodyLimit = 64 * 1024;
/** Of one parameter in a path: a longer one names no route. */
const maxParamLength = 256;

/** What the reference at `/docs` needs, all of it from here; nothing else that is served is a page. */
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
  // Both limits: of two, Node takes the larger for the whole request (its defaults: a minute for the headers, a look every
  // half a minute), and a client that sends half a body could hold its connection for as long.
  const arrival = { requestTimeout: arrivalMs, headersTimeout: arrivalMs, connectionsCheckingInterval: 500 };
  return new FastifyAdapter({
    logger: false,
    bodyLimit,
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    requestTimeout: arrival.requestTimeout,
    http: arrival,
    forceCloseConnections: 'idle',
    // A leaving process answers what still reaches it: Fastify's own refusal is no problem+json, and is not needed.
    return503OnClosing: false,
    routerOptions: { maxParamLength, ignoreTrailingSlash: true },
    frameworkErrors: (_error: Error, _request: FastifyRequest, reply: FastifyReply) => sendProblem(reply, unreadable),
    clientErrorHandler: refuseUnreadable,
  });
}

/** What must be in place before Nest declares its routes. */
export async function prepareFastify(app: NestFastifyApplication, config: CommonConfig): Promise<void> {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  // JSON alone, unless an endpoint says otherwise: Fastify would take text/plain as a body too.
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
  closeConnectionsWhenLeaving(fastify);
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives },
    frameguard: { action: 'deny' },
  });
  if (config.corsOrigins.length > 0) {
    app.enableCors({
      origin: [...config.corsOrigins],
      // By default a page may not send what changes or ends something.
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      credentials: false,
      maxAge: 600,
      exposedHeaders: ['etag', 'retry-after', 'www-authenticate'],
    });
  }
}

/** JSON is parsed as Fastify does it, except where a route asks for the bytes. Forms are for the routes that say so. */
function keepRawBodies(fastify: FastifyInstance): void {
  const parseJson = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser('application/json');
  fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if ((request.routeOptions.config as RouteSettings).rawBody === true) done(null, body);
    else void parseJson(request, body.toString(), done);
  });
  fastify.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (request, _body, done) => {
    const isTaken = (request.routeOptions.config as RouteSettings).form === true;
    done(isTaken ? null : Object.assign(new Error('no forms'), { statusCode: 415 }));
  });
}

/** A client that keeps its connection open would keep a leaving process waiting: its last answer says that it closes. */
function closeConnectionsWhenLeaving(fastify: FastifyInstance): void {
  let leaving = false;
  fastify.addHook('preClose', (done) => {
    leaving = true;
    done();
  });
  fastify.addHook('onSend', (_request, reply, payload, done) => {
    if (leaving) void reply.header('connection', 'close');
    done(null, payload);
  });
}

/** A path that exists answers 405 with `Allow` (RFC 9110 §15.5.6), not 404, to a method it does not have. */
function refuseWrongMethod(routes: KnownRoutes, request: FastifyRequest, reply: FastifyReply): void {
  if (!request.is404 || request.method === 'OPTIONS') return;
  const allowed = routes.methodsAt(request.url.split('?')[0] ?? '');
  if (allowed.length === 0) return;
  const allow = allowed.join(', ');
  sendProblem(reply, new AppError('method_not_allowed', `This path takes ${allow}.`, { headers: { allow } }));
}

/** Which methods each path takes. */
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
