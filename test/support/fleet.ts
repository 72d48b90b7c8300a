import { generateKeyPairSync } from 'node:crypto';
import { EnrolmentTokens, Locations } from '../../src/nodes/index.js';
import { type TestApp } from './app.js';

/** What any request needs to come from a node. */
export interface TestNode {
  readonly id: string;
  readonly publicKey: string;
  credential: string;
}

/** A fresh WireGuard public key, as `wg pubkey` prints it. */
export function wireguardKey(): string {
  const spki = generateKeyPairSync('x25519').publicKey.export({ format: 'der', type: 'spki' });
  return spki.subarray(-32).toString('base64');
}

const frankfurt = { id: 'de-frankfurt', country: 'DE', city: 'Frankfurt', latitude: 50.1, longitude: 8.7 };

export async function addLocation({ app }: TestApp, id = frankfurt.id): Promise<void> {
  await app.get(Locations, { strict: false }).add({ ...frankfurt, id });
}

/** @returns the token, as the operator would hand it to a server */
export async function enrolmentToken({ app }: TestApp, uses = 1, locationId = frankfurt.id): Promise<string> {
  return (await app.get(EnrolmentTokens, { strict: false }).create({ locationId, uses })).token;
}

/** Sends JSON as a node, or as whoever holds the bearer. */
export async function postJson(url: string, body: unknown, bearer?: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', ...(bearer ? { authorization: `Bearer ${bearer}` } : {}) };
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
}

/** Enrols a node over HTTP. */
export async function enrolNode(service: TestApp, overrides: Record<string, unknown> = {}): Promise<TestNode> {
  const registration = { public_key: wireguardKey(), ip: '127.0.0.1', location_id: frankfurt.id, ...overrides };
  const token = await enrolmentToken(service, 1, registration.location_id);
  const response = await postJson(`${service.url}/node/register`, registration, token);
  if (response.status !== 201) throw new Error(`a node could not enrol: ${await response.text()}`);
  const { id, credential } = (await response.json()) as { id: string; credential: string };
  return { id, credential, publicKey: registration.public_key };
}

export async function pulse({ url }: TestApp, { id, credential }: TestNode, currentLoad = 10): Promise<Response> {
  return postJson(`${url}/node/${id}/pulse`, { currentLoad }, credential);
}
