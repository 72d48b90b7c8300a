import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ApiDocument,
  committedDocument,
  type Operation,
  operationsOf,
} from '../support/bad-input/api-document.js';
import {
  asBinary,
  withOptionalCredential,
  asSent,
  type BadRequest,
  badRequests,
} from '../support/bad-input/bad-requests.js';
import { credentialOf, type GoodRequest, goodRequest } from '../support/bad-input/good-requests.js';
import { send, sendGood } from '../support/bad-input/http.js';
import { faultsOf } from '../support/bad-input/answer-faults.js';
import { StoreReader } from '../support/bad-input/store-reader.js';
import { type EveryEndpoint, startEveryEndpoint } from '../support/bad-input/every-endpoint.js';

// All endpoints and fields of openapi.json, on the sides that serve them. New endpoints are tested without a change here.
const operations = operationsOf(committedDocument());
const schemes = [...new Set(operations.flatMap(({ credentials }) => credentials))];
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'QUERY'];

let sides: EveryEndpoint;
let stores: StoreReader;
/** The operations in the OpenAPI document of each side, by its URL. */
let served: ReadonlyMap<string, readonly string[]>;

beforeAll(async () => {
  sides = await startEveryEndpoint();
  stores = await StoreReader.open(sides.gatekeeper.stack);
  const urls = [sides.gatekeeper.service.url, sides.anonymizer.url];
  const documents = await Promise.all(urls.map(async (url) => (await fetch(`${url}/openapi.json`)).json()));
  served = new Map(urls.map((url, at) => [url, operationsOf(documents[at] as ApiDocument).map(({ name }) => name)]));
});

afterAll(async () => {
  await stores.close();
  await sides.stop();
});

/** The URLs of the sides that serve the operation. */
const sidesOf = ({ name }: Operation) => [...served].filter(([, names]) => names.includes(name)).map(([url]) => url);

/** Sends bad requests one after another. @returns faults of the answers, and rows that were written meanwhile */
async function faultsAt(url: string, bad: readonly BadRequest[]): Promise<string[]> {
  await expect.poll(() => stores.countPendingConnections()).toBe(0);
  await expect.poll(() => stores.countPendingWork(), { timeout: 15_000 }).toBe(0);
  const before = await stores.read();
  const faults: string[] = [];
  for (const badRequest of bad) {
    const answer = await send(url, badRequest.request);
    faults.push(...faultsOf(badRequest, answer).map((fault) => `${badRequest.flaw}: ${fault}`));
  }
  const after = await stores.read();
  return [...faults, ...after.filter((line) => !before.includes(line)).map((line) => `written: ${line}`)];
}

/** Changed bodies of webhooks are refused for their signature. Specs next to the code that parses them test hostile bodies. */
const signed = ['POST /payment/webhooks/stripe', 'POST /payment/webhooks/apple'];

describe.each(operations.filter(({ name }) => !signed.includes(name)))('$name', (operation) => {
  it('refuses every bad request with an explanation, writes nothing, and then accepts the good request', async () => {
    expect(sidesOf(operation)).not.toEqual([]);
    for (const url of sidesOf(operation)) {
      const good = await goodRequest(operation, sides);
      expect(await faultsAt(url, badRequests(operation, good))).toEqual([]);
      // The bad requests were refused for their flaws alone, and used up nothing that the good one needs.
      const answer = await sendGood(url, asSent(operation, good));
      expect([answer.status, answer.text]).toEqual([expect.toBeOneOf([200, 201, 202, 204]), answer.text]);
    }
  });
});

describe.each(operations)('$name', (operation) => {
  it('is served only by its own side', async () => {
    const others = [...served.keys()].filter((url) => !sidesOf(operation).includes(url));
    const request = asSent(operation, await goodRequest(operation, sides));
    const toOtherSide = { flaw: 'the other side', request, codes: ['not_found'], statuses: [404] };
    for (const url of others) expect(await faultsAt(url, [toOtherSide])).toEqual([]);
    expect(others.length + sidesOf(operation).length).toBe(2);
  });
});

describe.each(operations.filter(({ body }) => body !== undefined))('$name', (operation) => {
  it('accepts every form of its good body', async () => {
    const [url = ''] = sidesOf(operation);
    const { bodies } = await goodRequest(operation, sides);
    const forms = [
      ...bodies.map((_, index) => (good: GoodRequest) => asSent(operation, good, good.bodies[index])),
      ...operation.binaryBodies.map((type) => (good: GoodRequest) => asBinary(operation, good, type)),
      ...operation.optionalCredentials.map(
        (scheme) => (good: GoodRequest) => withOptionalCredential(operation, good, scheme),
      ),
    ];
    for (const form of forms) {
      const answer = await sendGood(url, form(await goodRequest(operation, sides)));
      expect([answer.status, answer.text]).toEqual([expect.toBeOneOf([200, 201, 202, 204]), answer.text]);
    }
  });
});

describe.each(operations.filter(({ credentials }) => credentials.length > 0))('$name', (operation) => {
  it.each(schemes.filter((scheme) => !operation.credentials.includes(scheme)))(
    'refuses the credential %s',
    async (scheme) => {
      const good = await goodRequest(operation, sides);
      const { headers = {} } = await credentialOf(scheme, sides);
      // 404, since a wrong secret identifies no connection.
      const bad = { flaw: scheme, request: asSent(operation, { ...good, headers }), statuses: [401, 404] };
      for (const url of sidesOf(operation)) expect(await faultsAt(url, [bad])).toEqual([]);
    },
  );
});

describe.each([...Map.groupBy(operations, ({ path }) => path)])('%s', (_path, [operation, ...others]) => {
  it('refuses other methods, and lists the allowed ones', async () => {
    if (operation === undefined) return;
    const allowed = [operation, ...others].map(({ method }) => method);
    const refused = methods.filter((method) => !allowed.includes(method));
    for (const url of sidesOf(operation)) {
      const good = asSent(operation, await goodRequest(operation, sides));
      const bad = refused.map((method) => ({
        flaw: method,
        request: { ...good, method },
        codes: ['method_not_allowed'],
        statuses: [405],
      }));
      expect(await faultsAt(url, bad)).toEqual([]);
      const { headers } = await send(url, { ...good, method: 'PROPFIND' });
      expect(headers.allow?.split(', ')).toEqual(expect.arrayContaining(allowed));
    }
  });
});
