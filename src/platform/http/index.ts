export { bearerToken } from './bearer.js';
export { type IfMatch, matchesEntityTag, readIfMatch, versionTag } from './entity-tag.js';
export { fastifyAdapter, prepareFastify, type RouteSettings } from './fastify.js';
export { fetchJson, UnreadableAnswer } from './fetch-bounded.js';
export { HttpModule } from './http.module.js';
export { OnSide } from './on-side.js';
export { AlsoBinary } from './other-form.js';
export { describeApi, serveReference } from './reference.js';
export { Problems, Returns } from './returns.js';
