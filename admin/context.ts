import 'reflect-metadata';
import { type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../src/app.module.js';
import { Background } from '../src/platform/background/index.js';
import { type AppConfig, loadConfig } from '../src/platform/config/index.js';

export type Side = 'gatekeeper' | 'anonymizer';

/** What an operator did wrong, or cannot do here: printed as one line, without a stack. */
export class OperatorError extends Error {}

/**
 * Runs one action with the services of one side, connected as that side's own database role and not serving.
 *
 * @throws {OperatorError} when this machine's configuration does not hold that side.
 */
export async function withSide<T>(side: Side, action: (app: INestApplicationContext) => Promise<T>): Promise<T> {
  const config = configOf(side);
  const app = await NestFactory.createApplicationContext(AppModule.with(config), {
    logger: false,
    abortOnError: false,
  });
  try {
    return await action(app);
  } finally {
    await app.get(Background).stop();
    await app.close();
  }
}

/** Whether this machine's configuration holds that side. */
export function holdsSide(side: Side): boolean {
  return wholeConfig()[side] !== undefined;
}

function configOf(side: Side): AppConfig {
  const config = wholeConfig();
  if (config[side] !== undefined) return config;
  throw new OperatorError(`This is the ${side}'s affair: run it where SERVICE_ROLE is ${side} or all.`);
}

function wholeConfig(): AppConfig {
  return loadConfig({ ...process.env, LOG_LEVEL: 'silent' });
}
