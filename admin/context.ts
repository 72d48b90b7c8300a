import 'reflect-metadata';
import { type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../src/app.module.js';
import { Background } from '../src/platform/background/index.js';
import { type AppConfig, loadConfig } from '../src/platform/config/index.js';

export type Side = 'gatekeeper' | 'anonymizer';

/** An error that the operator can fix. It is printed as one line, without a stack trace. */
export class OperatorError extends Error {}

/**
 * Runs an action with the services of one side. They connect with that side's own database role, and serve no requests.
 *
 * @throws {OperatorError} this machine is not configured for that side
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

/** Whether this machine is configured for that side. */
export function hasSide(side: Side): boolean {
  return loadWholeConfig()[side] !== undefined;
}

function configOf(side: Side): AppConfig {
  const config = loadWholeConfig();
  if (config[side] !== undefined) return config;
  throw new OperatorError(`This command needs the ${side}. Run it on a machine where SERVICE_ROLE is ${side} or all.`);
}

function loadWholeConfig(): AppConfig {
  return loadConfig({ ...process.env, LOG_LEVEL: 'silent' });
}
