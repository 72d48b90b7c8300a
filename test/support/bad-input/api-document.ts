import { readFileSync } from 'node:fs';

/** The part of JSON Schema that `openapi.json` uses. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly contentEncoding?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly default?: unknown;
  readonly example?: unknown;
}

export interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly required?: boolean;
  readonly schema: Schema;
}

/** One endpoint: a method at a path. */
export interface Operation {
  /** For example `POST /node/{id}/pulse`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Security schemes. A request needs a credential of one of them; empty when the endpoint is public. */
  readonly credentials: readonly string[];
  /** Security schemes that the endpoint accepts but does not require. */
  readonly optionalCredentials: readonly string[];
  /** Schema of the JSON body; absent when the endpoint has no JSON body. */
  readonly body?: Schema;
  /** Media types of the bodies that are not JSON. */
  readonly binaryBodies: readonly string[];
}

interface DocumentedOperation {
  readonly parameters?: readonly Parameter[];
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
}

export interface ApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas?: Readonly<Record<string, Schema>> };
}

export const committedDocument = (): ApiDocument => JSON.parse(readFileSync('openapi.json', 'utf8')) as ApiDocument;

export function operationsOf({ paths, components }: ApiDocument): Operation[] {
  const resolve = <T>(value: T): T => resolved(value, components.schemas ?? {}) as T;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], security = [], requestBody }]) => {
      const schemes = security.flatMap((alternative) => Object.keys(alternative));
      const isOptional = security.some((alternative) => Object.keys(alternative).length === 0);
      return {
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path,
        parameters: resolve(parameters),
        credentials: isOptional ? [] : schemes,
        optionalCredentials: isOptional ? schemes : [],
        body: resolve(requestBody?.content['application/json']?.schema),
        binaryBodies: Object.keys(requestBody?.content ?? {}).filter((type) => type !== 'application/json'),
      };
    }),
  );
}

/** Replaces each `$ref` with the schema that it refers to. */
function resolved(value: unknown, schemas: Readonly<Record<string, Schema>>): unknown {
  if (Array.isArray(value)) return value.map((item) => resolved(item, schemas));
  if (typeof value !== 'object' || value === null) return value;
  const reference = (value as Schema).$ref;
  if (reference !== undefined) return resolved(schemas[reference.split('/').at(-1) ?? ''], schemas);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner, schemas)]));
}
