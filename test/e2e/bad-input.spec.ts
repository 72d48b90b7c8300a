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

// Every endpoint of openapi.json, at whichever side serves it, with every field of it: a new one is in here unnamed.
const operations = operationsOf(committedDocument());
const schemes = [...new Set(operations.flatMap(({ credentials }) => credentials))];
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'QUERY'];

let sides: EveryEndpoint;
let stores: StoreReader;
/** The operations that each side says it serves. */
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

const homesOf = ({ name }: Operation) => [...served].filter(([, names]) => names.includes(name)).map(([url]) => url);

/** Sends bad requests one after another; what is wrong with the answers, and with what was written meanwhile. */
async function faultsAt(url: string, bad: readonly BadRequest[]): Promise<string[]> {
  await expect.poll(() => stores.countPendingConnections()).toBe(0);
  await expect.poll(() => stores.countPendingWork(), { timeout: 15_000 }).toBe(0);
  const before = await stores.read();
  const faults: string[] = [];
  for (const each of bad) {
    const answer = await send(url, each.request);
    faults.push(...faultsOf(each, answer).map((fault) => `${each.flaw}: ${fault}`));
  }
  const after = await stores.read();
  return [...faults, ...after.filter((line) => !before.includes(line)).map((line) => `written: ${line}`)];
}

/** Bodies that their sender signs are refused for that; what is hostile in them is tested beside the code that reads them. */
const signed = ['POST /payment/webhooks/stripe', 'POST /payment/webhooks/apple'];

describe.each(operations.filter(({ name }) => !signed.includes(name)))('$name', (operation) => {
  it('refuses every bad request, says what was expected, writes nothing, and then takes the good one', async () => {
    expect(homesOf(operation)).not.toEqual([]);
    for (const home of homesOf(operation)) {
      const good = await goodRequest(operation, sides);
      expect(await faultsAt(home, badRequests(operation, good))).toEqual([]);
      // Nothing that the good one needs was used up; and what was refused was refused for its flaw.
      const answer = await sendGood(home, asSent(operation, good));
      expect([answer.status, answer.text]).toEqual([expect.toBeOneOf([200, 201, 202, 204]), answer.text]);
    }
  });
});

describe.each(operations)('$name', (operation) => {
  it('is served by the side that it belongs to alone', async () => {
    const others = [...served.keys()].filter((url) => !homesOf(operation).includes(url));
    const request = asSent(operation, await goodRequest(operation, sides));
    const elsewhere = { flaw: 'the other side', request, codes: ['not_found'], statuses: [404] };
    for (const url of others) expect(await faultsAt(url, [elsewhere])).toEqual([]);
    expect(others.length + homesOf(operation).length).toBe(2);
  });
});

describe.each(operations.filter(({ body }) => body !== undefined))('$name', (operation) => {
  it('takes every form of its good body', async () => {
    const [home = ''] = homesOf(operation);
    const { bodies } = await goodRequest(operation, sides);
    const forms = [
      ...bodies.map((_, index) => (good: GoodRequest) => asSent(operation, good, good.bodies[index])),
      ...operation.binaryBodies.map((type) => (good: GoodRequest) => asBinary(operation, good, type)),
      ...operation.optionalCredentials.map(
        (scheme) => (good: GoodRequest) => withOptionalCredential(operation, good, scheme),
      ),
    ];
    for (const form of forms) {
      const answer = await sendGood(home, form(await goodRequest(operation, sides)));
      expect([answer.status, answer.text]).toEqual([expect.toBeOneOf([200, 201, 202, 204]), answer.text]);
    }
  });
});

describe.each(operations.filter(({ credentials }) => credentials.length > 0))('$name', (operation) => {
  it.each(schemes.filter((scheme) => !operation.credentials.includes(scheme)))(
    'is not opened by %s',
    async (scheme) => {
      const good = await goodRequest(operation, sides);
      const { headers = {} } = await credentialOf(scheme, sides);
      // 404: a secret that opens nothing names nothing either.
      const bad = { flaw: scheme, request: asSent(operation, { ...good, headers }), statuses: [401, 404] };
      for (const home of homesOf(operation)) expect(await faultsAt(home, [bad])).toEqual([]);
    },
  );
});

describe.each([...Map.groupBy(operations, ({ path }) => path)])('%s', (_path, [operation, ...others]) => {
  it('takes no other method, and says which it takes', async () => {
    if (operation === undefined) return;
    const right = [operation, ...others].map(({ method }) => method);
    const wrong = methods.filter((method) => !right.includes(method));
    for (const home of homesOf(operation)) {
      const good = asSent(operation, await goodRequest(operation, sides));
      const bad = wrong.map((method) => ({
        flaw: method,
        request: { ...good, method },
        codes: ['method_not_allowed'],
        statuses: [405],
      }));
      expect(await faultsAt(home, bad)).toEqual([]);
      const { headers } = await send(home, { ...good, method: 'PROPFIND' });
      expect(headers.allow?.split(', ')).toEqual(expect.arrayContaining(right));
    }
  });
});
