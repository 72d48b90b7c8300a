export { AppError, type AppErrorOptions, type ProblemDocument, problemMediaType } from './app-error.js';
export { bearerToken } from './bearer.js';
export { matchesEntityTag } from './entity-tag.js';
export { fastifyAdapter, prepareFastify, type RouteSettings } from './fastify.js';
export { HttpModule } from './http.module.js';
export { type ProblemCode, problems } from './problems.js';
export { describeApi, serveReference } from './reference.js';
export { Problems, Returns } from './returns.js';
export { isStoreOutage, toAppError } from './to-app-error.js';
