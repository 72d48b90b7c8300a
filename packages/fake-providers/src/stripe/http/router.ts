import { z } from 'zod';
import { invalid } from '../errors.js';
import { expandable, readParams } from './params.js';

export type Method = 'DELETE' | 'GET' | 'POST';

export interface ParsedRequest {
  readonly params: unknown;
  /** The properties to expand in the response. */
  readonly expand: readonly string[];
}

export interface Route {
  readonly method: Method;
  readonly path: RegExp;
  /** @throws {ApiError} when a parameter is missing, unknown or invalid. */
  read(form: unknown): ParsedRequest;
  /** @param params as `read` returned them. */
  handle(params: unknown, id: string): object;
}

/** @param path with `:id` in place of an object's id. */
export function route<S extends z.ZodRawShape>(
  method: Method,
  path: string,
  shape: S,
  answer: (params: z.output<z.ZodObject<S>>, id: string) => object,
): Route {
  const schema = z.strictObject(shape);
  return {
    method,
    path: new RegExp(`^${path.replace(':id', '([^/]+)')}$`),
    read: (form) => {
      const { expand: paths, ...rest } = form as Record<string, unknown>;
      const { expand = [] } = readParams(expandable, paths === undefined ? {} : { expand: paths });
      return { params: readParams(schema, rest), expand };
    },
    handle: (params, id) => answer(params as z.output<z.ZodObject<S>>, id),
  };
}

/** @throws {ApiError} 404 when the fake has no such endpoint. */
export function findRoute(routes: readonly Route[], method: string, path: string): { route: Route; id: string } {
  for (const route of routes) {
    const match = route.method === method ? route.path.exec(path) : null;
    if (match) return { route, id: decodeURIComponent(match[1] ?? '') };
  }
  throw invalid(`Unrecognized request URL (${method}: ${path}).`, { status: 404 });
}
