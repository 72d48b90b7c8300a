import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RouteConfig, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { LoggerModule } from '../../logger/index.js';
import { ConfigModule, loadConfig } from '../config/index.js';
import { AppError } from '../errors/index.js';
import { fastifyAdapter, prepareFastify, type RouteSettings } from './fastify.js';
import { HttpModule } from './http.module.js';
import { OnSide } from './on-side.js';
import { Returns } from './returns.js';

const config = loadConfig({
  NODE_ENV: 'test',
  SERVICE_ROLE: 'anonymizer',
  LOG_LEVEL: 'silent',
  REQUEST_TIMEOUT_S: '1',
  CORS_ORIGINS: 'https://app.example.com',
  TOKEN_ISSUER_NAME: 'issuer.example',
  TOKEN_ORIGIN: 'origin.example',
  NETWORK_DATABASE_URL: 'postgresql://vpn_network:x@127.0.0.1:1/none',
  NETWORK_REDIS_URL: 'redis://127.0.0.1:1',
  NETWORK_SECRET_KEY: Buffer.alloc(32, 1).toString('base64'),
  ISSUER_DIRECTORY_URL: 'http://127.0.0.1:1/directory',
});

const parcel = z.strictObject({ weight: z.number().int().min(1), label: z.string().max(5) });

@OnSide('anonymizer')
@Controller('parcels')
class ParcelController {
  @Post()
  @Returns(201, z.strictObject({ weight: z.number() }))
  create(@Body({ schema: parcel }) body: z.infer<typeof parcel>) {
    return body.weight === 13 ? { weight: 13, secret: 'kept in' } : { weight: body.weight };
  }

  @Get(':id')
  find(@Param('id') id: string) {
    if (id === 'broken') throw new Error('the password is hunter2');
    if (id === 'slow') return new Promise(() => {});
    throw new AppError('not_found', `No parcel ${id}.`, {
      headers: { 'retry-after': '7' },
      extras: { hint: 'look again' },
    });
  }

  @Post('patient')
  patient(@Body({ schema: parcel }) _body: z.infer<typeof parcel>) {
    return new Promise(() => {});
  }

  @Post('large')
  @RouteConfig({ bodyLimit: 1024 * 1024 } satisfies RouteSettings)
  large() {
    return {};
  }
}

@Module({ controllers: [ParcelController] })
class ParcelModule {}

@Module({ imports: [ConfigModule.with(config), LoggerModule.with(config), HttpModule, ParcelModule] })
class TestModule {}

let app: NestFastifyApplication;

beforeAll(async () => {
  app = await NestFactory.create<NestFastifyApplication>(TestModule, fastifyAdapter(config.common), {
    bodyParser: false,
    logger: false,
  });
  await prepareFastify(app, config.common);
  await app.init();
  await app.listen(0, '127.0.0.1');
});

afterAll(() => app.close());

const post = (payload: string | Buffer, contentType = 'application/json', url = '/parcels') =>
  app.inject({ method: 'POST', url, payload, headers: { 'content-type': contentType } });

describe('a valid request', () => {
  it('is answered with the declared fields', async () => {
    const response = await post('{"weight":3,"label":"a"}');
    expect([response.statusCode, response.json()]).toEqual([201, { weight: 3 }]);
  });

  it('is answered without undeclared fields', async () => {
    const response = await post('{"weight":13,"label":"a"}');
    expect(response.body).not.toContain('kept in');
  });
});

describe('a bad request is answered with a problem that says what was expected', () => {
  it.each([
    ['unknown key', '{"weight":3,"label":"a","colour":"red"}', 400, 'invalid_request', 'colour'],
    ['wrong type', '{"weight":"3","label":"a"}', 400, 'invalid_request', 'weight'],
    ['missing field', '{"weight":3}', 400, 'invalid_request', 'label'],
    ['too long', '{"weight":3,"label":"abcdef"}', 400, 'invalid_request', 'label'],
    ['not an object', '[]', 400, 'invalid_request', 'object'],
    ['null', 'null', 400, 'invalid_request', 'object'],
    ['broken JSON', '{"weight":', 400, 'malformed_body', 'JSON'],
    ['empty body', '', 400, 'malformed_body', 'JSON'],
    ['prototype key', '{"__proto__":{"a":1},"weight":3,"label":"a"}', 400, 'malformed_body', 'JSON'],
  ])('%s', async (_name, payload, status, code, expected) => {
    const response = await post(payload);
    expect(response.headers['content-type']).toContain('application/problem+json');
    expect(response.json()).toMatchObject({ status, code, type: `urn:problem:${code}` });
    expect([response.statusCode, response.json<{ detail: string }>().detail]).toEqual([
      status,
      expect.stringContaining(expected),
    ]);
  });

  it('refuses a wrong media type', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'nonsense']) {
      expect((await post('weight=3', type)).json()).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    }
  });

  it('refuses an oversized body', async () => {
    expect((await post(`{"label":"${'a'.repeat(70_000)}"}`)).json()).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
  });

  it('accepts a larger body where the endpoint allows it', async () => {
    expect((await post(`{"label":"${'a'.repeat(70_000)}"}`, 'application/json', '/parcels/large')).statusCode).toBe(
      201,
    );
  });

  it('names the supported methods for a wrong one', async () => {
    const response = await app.inject({ method: 'DELETE', url: '/parcels?x=1' });
    expect([response.statusCode, response.headers.allow]).toEqual([405, 'POST']);
    expect(response.json()).toMatchObject({ code: 'method_not_allowed' });
  });

  it('refuses an unknown path', async () => {
    expect((await app.inject({ url: '/nowhere' })).json()).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('refuses broken percent-encoding', async () => {
    const response = await app.inject({ url: '/parcels/%zz' });
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toContain('application/problem+json');
  });
});

describe('input that never becomes a request', () => {
  /** All bytes that the service sends until it closes the connection. */
  const answerTo = async (bytes: string) => {
    const { port } = app.getHttpServer().address() as { port: number };
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    return (await socket.toArray()).join('');
  };

  const head = 'POST /parcels HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  it.each([
    ['no HTTP', 'NONSENSE\r\n\r\n', 400, 'malformed_request'],
    ['another protocol', '\x16\x03\x01\x02\x00\x01\x00', 400, 'malformed_request'],
    ['two lengths', `${head}content-length: 1\r\ncontent-length: 2\r\n\r\n{}`, 400, 'malformed_request'],
    ['a length and chunks', `${head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n`, 400, 'malformed_request'],
    ['too large headers', `${head}x-long: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['headers without an end', head, 408, 'request_incomplete'],
    ['a body without an end', `${head}content-length: 100\r\n\r\n{`, 408, 'request_incomplete'],
  ])('gets a problem and a closed connection: %s', async (_name, bytes, status, code) => {
    const [headers = '', body = ''] = (await answerTo(bytes)).split('\r\n\r\n');
    expect(headers).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*application/problem\\+json`));
    expect(headers).toMatch(/cache-control: no-store/i);
    expect(JSON.parse(body)).toMatchObject({ status, code });
  });
});

describe('an error of a handler', () => {
  it('hides an unexpected cause from the client', async () => {
    const response = await app.inject({ url: '/parcels/broken' });
    expect(response.json()).toMatchObject({ status: 500, code: 'internal_error' });
    expect(response.body).not.toContain('hunter2');
  });

  it('has the headers and members of an AppError', async () => {
    const response = await app.inject({ url: '/parcels/7' });
    expect([response.statusCode, response.headers['retry-after'], response.json<{ hint: string }>().hint]).toEqual([
      404,
      '7',
      'look again',
    ]);
  });

  it.each([
    ['GET', '/parcels/slow', undefined],
    ['POST', '/parcels/patient', JSON.stringify({ weight: 1, label: 'a' })],
  ])('is request_timeout for a %s that takes too long', async (method, path, body) => {
    // Over the network, because only there the body of a request ends before its response.
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch((await app.getUrl()) + path, { method, headers, body });
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ status: 503, code: 'request_timeout' });
  });
});

describe('the response headers', () => {
  it('contain the usual protections', async () => {
    const { headers } = await app.inject({ url: '/parcels/7' });
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'x-frame-options': 'DENY',
    });
    // Nothing from other hosts, and only scripts that are served here.
    expect(headers['content-security-policy']).toMatch(/^default-src 'none';script-src 'self';/);
    expect(headers['content-security-policy']).not.toMatch(/https?:|\*/);
    expect(headers['strict-transport-security']).toBeDefined();
    expect(headers['x-powered-by']).toBeUndefined();
  });

  it('allow only the configured origins', async () => {
    const preflight = (origin: string) =>
      app.inject({ method: 'OPTIONS', url: '/parcels', headers: { origin, 'access-control-request-method': 'POST' } });
    expect((await preflight('https://app.example.com')).headers['access-control-allow-origin']).toBe(
      'https://app.example.com',
    );
    expect((await preflight('https://evil.example')).headers['access-control-allow-origin']).toBeUndefined();
  });

  it('allow a page every method of the API', async () => {
    const headers = { origin: 'https://app.example.com', 'access-control-request-method': 'DELETE' };
    const { headers: allowed } = await app.inject({ method: 'OPTIONS', url: '/parcels', headers });
    const methods = String(allowed['access-control-allow-methods']).split(', ');
    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: Record<string, object> };
    const described = Object.values(paths).flatMap((path) => Object.keys(path));
    expect(methods).toEqual(expect.arrayContaining([...new Set(described)].map((method) => method.toUpperCase())));
  });
});
