export { AppError, type AppErrorOptions, type ProblemDocument } from './app-error.js';
export { fastifyAdapter, prepareFastify, type RouteSettings } from './fastify.js';
export { HttpModule } from './http.module.js';
export { problemMediaType } from './problem.filter.js';
export { type ProblemCode, problems } from './problems.js';
export { describeApi, serveReference } from './reference.js';
export { Problems, Returns } from './returns.js';
export { isStoreOutage } from './to-app-error.js';
