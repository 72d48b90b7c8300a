import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Controller, Get, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, expect, it, describe } from 'vitest';
import { anonymizerEnv, type Env, gatekeeperEnv, publicSettings } from '../../../test/support/app.js';
import { LoggerModule } from '../../logger/index.js';
import { ConfigModule, loadConfig } from '../config/index.js';
import { fastifyAdapter, prepareFastify } from './fastify.js';
import { HttpModule } from './http.module.js';
import { OnSide } from './on-side.js';

@OnSide('gatekeeper')
@Controller('user')
class UserController {
  @Get()
  fail() {
    throw new TypeError('of the gatekeeper');
  }
}

@OnSide('anonymizer')
@Controller('tunnel')
class TunnelController {
  @Get()
  fail() {
    throw new RangeError('of the anonymizer');
  }
}

@Controller('undeclared')
class UndeclaredController {
  @Get()
  show() {
    return {};
  }
}

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'route-sides-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function startWith(controllers: Type[], role: Env = {}): Promise<NestFastifyApplication> {
  const noStores = { identityUrl: 'postgresql://a:b@127.0.0.1:1/c', networkUrl: 'postgresql://d:e@127.0.0.1:1/f' };
  const stack = { ...noStores, redisUrl: 'redis://127.0.0.1:1' };
  const logs = {
    LOG_LEVEL: 'error',
    IDENTITY_LOG: join(folder, 'gatekeeper'),
    NETWORK_LOG: join(folder, 'anonymizer'),
  };
  const both = { ...publicSettings, ...gatekeeperEnv(stack), ...anonymizerEnv(stack), ...logs };
  const config = loadConfig({ ...both, ...role });

  @Module({ imports: [ConfigModule.with(config), LoggerModule.with(config), HttpModule], controllers })
  class TestModule {}

  const options = { bodyParser: false, logger: false, abortOnError: false } as const;
  const app = await NestFactory.create<NestFastifyApplication>(TestModule, fastifyAdapter(config.common), options);
  await prepareFastify(app, config.common);
  return app;
}

describe('RouteSides', () => {
  it('logs an unexpected error only in the log of the side that its route declares', async () => {
    const app = await startWith([UserController, TunnelController]);
    await app.init();
    for (const url of ['/user', '/tunnel']) expect((await app.inject({ url })).statusCode).toBe(500);
    await app.close();
    const logged = (side: string) => readFileSync(join(folder, side), 'utf8').match(/"error":"\w+"/g);
    expect([logged('gatekeeper'), logged('anonymizer')]).toEqual([['"error":"TypeError"'], ['"error":"RangeError"']]);
  });

  it('stops the start for a controller without a side', async () => {
    const app = await startWith([UserController, UndeclaredController]);
    await expect(app.init()).rejects.toThrow('The routes of UndeclaredController declare no side');
    await app.close();
  });

  it('stops the start for a controller of a side that this process does not serve', async () => {
    const noNetwork = Object.fromEntries(
      Object.keys(anonymizerEnv({ networkUrl: '', redisUrl: '' })).map((key) => [key, '']),
    );
    const app = await startWith([TunnelController], { ...noNetwork, NETWORK_LOG: '', SERVICE_ROLE: 'gatekeeper' });
    await expect(app.init()).rejects.toThrow('does not serve the anonymizer side');
    await app.close();
  });
});
