import { afterEach, beforeEach, expect, it } from 'vitest';
import { wirePeer } from '../test/fake-backend.js';
import { Harness, until } from '../test/harness.js';
import { MemoryCredentialStore } from './credentials.js';
import { rotateCredential } from './rotate-credential.js';

let harness: Harness;

beforeEach(async () => {
  harness = await Harness.start();
});
afterEach(() => harness.stop());

it('rotateCredential stores a new credential and uses it, and a running agent picks it up', async () => {
  const credentials = new MemoryCredentialStore();
  const agent = await harness.synced({ credentials });
  harness.backend.registrationAuthorization = 'Bearer credential-1';
  harness.backend.nextCredential = 'credential-2';
  await rotateCredential(harness.backend.url, credentials, (await credentials.load())!);
  expect(await credentials.load()).toMatchObject({ credential: 'credential-2', registered: harness.node });
  expect(harness.backend.requests.at(-1)).toBe('POST /node/node-1/acks');
  harness.backend.send('peer-added', wirePeer(1));
  await until(() => expect(harness.backend.acked.added).toEqual(['connection-1@1']));
  expect(agent.status().link).toBe('connected');
});

it('rotateCredential keeps the old credential when the rotation fails', async () => {
  const credentials = new MemoryCredentialStore();
  await harness.enrol({ credentials });
  const stored = (await credentials.load())!;
  await expect(rotateCredential(harness.backend.url, credentials, stored)).rejects.toMatchObject({ status: 401 });
  expect(await credentials.load()).toEqual(stored);
});
