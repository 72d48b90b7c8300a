import { generateKeyPairSync } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { startService } from '../dev/stack/service-process.js';
import { blindSign } from '../src/crypto/issuer/blind-sign.js';
import { residentMb } from './server-process.js';
import { median } from './statistics.js';

/** Milliseconds from the start of the process to its log line "serving", with running stores. */
async function timeStart(env: Readonly<Record<string, string>>): Promise<number> {
  const begin = performance.now();
  const service = await startService(env);
  const took = performance.now() - begin;
  await service.stop();
  return took;
}

export async function medianStart(env: Readonly<Record<string, string>>, times: number): Promise<number> {
  const took: number[] = [];
  while (took.length < times) took.push(await timeStart(env));
  return median(took);
}

/** Memory of the idle service, in MB. */
export async function idleMemory(pid: number, settleMs: number): Promise<number> {
  await setTimeout(settleMs);
  return residentMb(pid);
}

/** Blind signatures per second of the service's function, called in a loop on one core. */
export function measureSigning(seconds: number): number {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const modulus = Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');
  const message = Buffer.alloc(256, 0x5a);
  const end = performance.now() + seconds * 1_000;
  let signatures = 0;
  for (; performance.now() < end; signatures += 1) blindSign({ privateKey, publicKey, modulus }, message);
  return signatures / seconds;
}
