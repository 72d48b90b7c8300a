import { readFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance } from 'fastify';
import { beforeAll, describe, expect, it } from 'vitest';
import { renderClientTypes } from '../../dev/client-types.js';
import { renderOpenApi, sampleConfig } from '../../dev/openapi.js';
import { createApp } from '../../src/app.js';
import { AppModule } from '../../src/app.module.js';
import { fastifyAdapter } from '../../src/platform/http/index.js';

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Record<string, unknown>[];
  readonly responses: Record<string, { readonly content?: Record<string, { schema?: object }> }>;
}

interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly tags: readonly { readonly name: string }[];
  readonly components: { readonly schemas: object; readonly securitySchemes: object };
}

let text: string;
let document: Document;

beforeAll(async () => {
  text = readFileSync('openapi.json', 'utf8');
  document = JSON.parse(text) as Document;
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
  );

/** The routes that Fastify serves. Read independently of the code that writes the document. */
async function servedRoutes(): Promise<string[]> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(sampleConfig()),
    fastifyAdapter(sampleConfig().common),
    { bodyParser: false, logger: false },
  );
  const routes: string[] = [];
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const name of [method].flat()) routes.push(`${name} ${url.replace(/:([^/]+)/g, '{$1}')}`);
  });
  await app.init();
  await fastify.ready();
  await app.close();
  // A set, because two forms of one endpoint may be two routes.
  return [...new Set(routes)].filter((route) => !/^(HEAD|OPTIONS) |\*/.test(route)).sort();
}

describe('openapi.json', () => {
  it('matches the code (npm run openapi writes it)', async () => {
    expect(await renderOpenApi()).toBe(text);
  });

  it('is the source of the types of the client', async () => {
    expect(await renderClientTypes()).toBe(readFileSync('packages/client/src/api.gen.ts', 'utf8'));
  });

  it('has exactly the endpoints that are served', async () => {
    const routes = await servedRoutes();
    expect(routes).toContain('GET /health/live');
    expect(
      operations()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(routes);
  });

  it('has a summary for each endpoint, and an explained tag', () => {
    const tags = document.tags.map(({ name }) => name);
    for (const { name, operation } of operations()) {
      expect(operation.summary, name).toMatch(/^[A-Z].{9,}[^.]$/);
      expect(tags, name).toContain(operation.tags?.[0]);
    }
  });

  it('has the schema of the successful response of each endpoint', () => {
    for (const { name, operation } of operations()) {
      const good = Object.entries(operation.responses).filter(([status]) => /^2/.test(status));
      expect(good, name).not.toEqual([]);
      for (const [status, { content }] of good) {
        if (status === '204') continue;
        expect(Object.keys(content ?? {}), name).not.toEqual([]);
        for (const body of Object.values(content ?? {})) expect(body.schema, name).toBeDefined();
      }
    }
  });

  it('has the problems of each endpoint', () => {
    for (const { name, operation } of operations()) {
      const refusals = Object.entries(operation.responses).filter(([status]) => /^[45]|default/.test(status));
      expect(
        refusals.map(([status]) => status),
        name,
      ).toContain('default');
      if (operation.security !== undefined) expect(Object.keys(operation.responses), name).toContain('401');
      for (const [status, { content }] of refusals) {
        const media = Object.keys(content ?? {});
        // Only readiness answers 503 with its report, for load balancers.
        if (name !== 'GET /health/ready') expect(media, `${name} ${status}`).toEqual(['application/problem+json']);
      }
    }
  });

  it('refers only to schemas and credentials that it defines', () => {
    const schemas = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name);
    expect(schemas).toContain('Problem');
    expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(schemas));
    const credentials = operations().flatMap(({ operation }) => (operation.security ?? []).flatMap(Object.keys));
    expect(Object.keys(document.components.securitySchemes)).toEqual(expect.arrayContaining(credentials));
  });
});

describe('the API reference', () => {
  it('is served beside the API with the same document', async () => {
    const app = await createApp(sampleConfig());
    const page = await app.inject('/docs');
    const served = await app.inject('/openapi.json');
    await app.close();
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html']);
    expect(served.json()).toEqual(document);
  });
});
