import { randomUUID } from 'node:crypto';
import Stripe from 'stripe';
import { appleProducts } from '@vpn-backend/fake-providers/testing';
import { type GatekeeperConfig } from '../../../src/platform/config/index.js';
import { IssuerKeysService } from '../../../src/crypto/issuer/index.js';
import { NotificationKeys } from '../../../src/notifications/notification-keys.js';
import { enrolmentToken, wireguardKey } from '../fleet.js';
import { type SignedIn } from '../gatekeeper.js';
import { returnUrl, webhookSecret } from '../payments.js';
import { type Operation } from './api-document.js';
import { type EveryEndpoint } from './every-endpoint.js';
import { goodValue } from './good-values.js';
import { sendGood } from './http.js';

/** The parts of a good request, apart from its method and path pattern. */
export interface GoodRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly path: Readonly<Record<string, string>>;
  /** Good JSON bodies that together contain every field; empty when the endpoint has no JSON body. */
  readonly bodies: readonly object[];
  /** A good body of each binary media type. */
  readonly binary: Readonly<Record<string, Buffer>>;
  /** The headers and JSON body of a good request with an optional credential, by security scheme. */
  readonly optional: Readonly<
    Record<string, { readonly headers: Readonly<Record<string, string>>; readonly body: object }>
  >;
}

type Part = Partial<GoodRequest>;

/**
 * Makes a good credential of each security scheme, with the path parameters that belong to it. A new scheme needs a line
 * here: without it, the tests of its endpoints fail and say so.
 */
const credentials: Readonly<Record<string, ((sides: EveryEndpoint) => Promise<Part>) | undefined>> = {
  idToken: async ({ person }) => ({ headers: person.headers }),
  nodeCredential: async ({ node }) => ({ headers: bearer(node.credential), path: { id: node.id } }),
  enrolmentToken: async ({ anonymizer }) => ({ headers: bearer(await enrolmentToken(anonymizer)) }),
  connectionSecret: async (sides) => {
    const body = JSON.stringify({ ...(await fetchToken(sides)), location: sides.location, public_key: wireguardKey() });
    const headers = { 'content-type': 'application/json' };
    const { text } = await sendGood(sides.anonymizer.url, { method: 'POST', path: '/vpn/config', headers, body });
    return { headers: bearer((JSON.parse(text) as { connection_secret: string }).connection_secret) };
  },
};

/** Endpoints whose good request needs more than a credential and the examples of the schema. */
const exceptions: Readonly<Record<string, ((sides: EveryEndpoint, examples: object) => Promise<Part>) | undefined>> = {
  'POST /auth/vpn-token': async ({ gatekeeper }, examples) => {
    const { blindedToken, blindedTokens, keyId: _exampleKeyId, ...rest } = examples as Record<string, unknown>;
    const { keyId } = gatekeeper.service.app.get(IssuerKeysService, { strict: false }).signingKey();
    const binary = Buffer.concat([Buffer.of(0, 2), keyId.subarray(-1), Buffer.alloc(256, 0x5a)]);
    return {
      binary: { 'application/private-token-request': binary },
      bodies: [
        { ...rest, blindedToken },
        { ...rest, blindedTokens },
      ],
    };
  },
  'POST /node/register': async (sides, examples) => ({
    ...(await credentials['enrolmentToken']?.(sides)),
    bodies: [{ ...examples, public_key: wireguardKey() }],
  }),
  'GET /payment/history/{id}/receipt': async ({ gatekeeper, subscriber: { headers } }) => {
    const { payments } = await read<{ payments: { id: string }[] }>(gatekeeper.get('/payment/history', headers));
    return { headers, path: { id: payments[0]?.id ?? '' } };
  },
  'POST /payment/apple/transactions': async ({ person, gatekeeper: { apple } }) => {
    const { signedTransaction } = apple.buy({ product: appleProducts.plus.id });
    return { headers: person.headers, bodies: [{ signedTransaction }] };
  },
  'POST /payment/checkout': async ({ gatekeeper }) => ({
    headers: (await newUser(gatekeeper)).headers,
    bodies: [{ planId: 'basic', interval: 'month', successUrl: returnUrl, cancelUrl: returnUrl }],
  }),
  'POST /payment/portal': async ({ subscriber: { headers } }) => ({ headers, bodies: [{ returnUrl }] }),
  'POST /payment/subscriptions/{id}/cancel': (sides) => ownSubscription(sides),
  'POST /payment/subscriptions/{id}/resume': (sides) => ownSubscription(sides),
  'PUT /payment/subscriptions/{id}/plan': (sides) => ownSubscription(sides),
  'POST /payment/webhooks/apple': async ({ gatekeeper: { apple, clock } }) => {
    const notification = { notificationType: 'TEST', notificationUUID: crypto.randomUUID(), version: '2.0' };
    const data = { bundleId: apple.bundleId, environment: apple.environment };
    return { bodies: [{ signedPayload: apple.sign({ ...notification, data, signedDate: clock.now().getTime() }) }] };
  },
  'POST /payment/webhooks/stripe': async ({ gatekeeper: { clock } }) => {
    const timestamp = Math.floor(clock.now().getTime() / 1000);
    const event = { id: 'evt_1', type: 'product.created', created: timestamp, livemode: false };
    const body = { ...event, data: { object: { id: 'prod_1', object: 'product' } } };
    const signed = { payload: JSON.stringify(body), secret: webhookSecret, timestamp };
    return { headers: { 'stripe-signature': Stripe.webhooks.generateTestHeaderString(signed) }, bodies: [body] };
  },
  'PATCH /preferences': async ({ person }) => ({ headers: { ...person.headers, 'if-match': '*' } }),
  'PUT /preferences': async ({ person }) => ({ headers: { ...person.headers, 'if-match': '*' } }),
  'DELETE /account': async ({ gatekeeper }) => ({ headers: (await newUser(gatekeeper)).headers }),
  'DELETE /account/devices/{id}': async ({ gatekeeper, person }) => {
    const device = { platform: 'ios', token: randomUUID() };
    const added = await gatekeeper.post('/account/devices', person.headers, device);
    return { headers: person.headers, path: (await added.json()) as { id: string } };
  },
  'PATCH /account': async ({ gatekeeper }) => ({
    headers: (await newUser(gatekeeper)).headers,
    bodies: [{ email: `${randomUUID()}@example.com` }],
  }),
  'GET /notifications/unsubscribe/{token}': async (sides) => ({ path: { token: await unsubscribeToken(sides) } }),
  'POST /notifications/unsubscribe/{token}': async (sides) => ({ path: { token: await unsubscribeToken(sides) } }),
  'POST /auth/signout-everywhere': async ({ gatekeeper }) => ({ headers: (await newUser(gatekeeper)).headers }),
  'POST /subscription/trial': async ({ gatekeeper }) => ({ headers: (await gatekeeper.signIn()).headers }),
  'POST /vpn/config': async (sides, examples) => {
    const { token: _token, signature: _signature, ...rest } = examples as Record<string, unknown>;
    const body = { ...rest, location: sides.location, public_key: wireguardKey() };
    const { token, signature } = await fetchToken(sides);
    const signedToken = Buffer.concat([Buffer.from(token, 'base64url'), Buffer.from(signature, 'base64url')]);
    const headers = { authorization: `PrivateToken token="${signedToken.toString('base64url')}"` };
    return { bodies: [{ ...body, token, signature }], optional: { privateToken: { headers, body } } };
  },
};

const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

const read = async <T>(answer: Promise<Response>) => (await (await answer).json()) as T;

/** Signs in a new user and sends a first request, which creates the account. */
async function newUser(gatekeeper: EveryEndpoint['gatekeeper']): Promise<SignedIn> {
  const user = await gatekeeper.signIn();
  await gatekeeper.report(user);
  return user;
}

async function ownSubscription({ gatekeeper, subscriber }: EveryEndpoint): Promise<Part> {
  const { sources } = await gatekeeper.report(subscriber);
  return { headers: subscriber.headers, path: { id: sources[0]?.id ?? '' } };
}

/** A token as in the unsubscribe link of a mail to a new user. */
async function unsubscribeToken({ gatekeeper }: EveryEndpoint): Promise<string> {
  const user = await newUser(gatekeeper);
  const [row] = await gatekeeper.sql<{ id: string }>('SELECT id FROM identity."User" WHERE firebase_uid = $1', [
    user.uid,
  ]);
  const { secretKey } = gatekeeper.service.config.gatekeeper as GatekeeperConfig;
  return new NotificationKeys(secretKey).seal({ userId: row?.id ?? '', kind: 'welcome' });
}

/** Fetches an unspent token. */
async function fetchToken({ client }: EveryEndpoint): Promise<{ token: string; signature: string }> {
  const [{ token, signature } = { token: '', signature: '' }] = await client.fetchTokens(1);
  return { token, signature };
}

/** @returns a good credential of a scheme, as headers */
export async function credentialOf(scheme: string, sides: EveryEndpoint): Promise<Part> {
  const make = credentials[scheme];
  if (make === undefined) throw new Error(`test/support/bad-input/good-requests.ts needs a good ${scheme}`);
  return make(sides);
}

/** A request that the endpoint accepts. The bad requests are made from it. */
export async function goodRequest(operation: Operation, sides: EveryEndpoint): Promise<GoodRequest> {
  const { name, body, credentials: schemes } = operation;
  const examples = body === undefined ? undefined : (goodValue(body, name) as object);
  const exception = await exceptions[name]?.(sides, examples ?? {});
  const credential =
    exception?.headers === undefined && schemes[0] !== undefined ? await credentialOf(schemes[0], sides) : {};
  return {
    headers: {},
    path: {},
    binary: {},
    optional: {},
    bodies: examples === undefined ? [] : [examples],
    ...credential,
    ...exception,
  };
}
