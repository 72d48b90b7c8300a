import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { problemMediaType, problems } from '../errors/index.js';
import { placeBinaryForms } from './other-form.js';

const description = `
A VPN backend whose two sides cannot link a user to a connection.

The **gatekeeper** knows users (\`/auth\`, \`/subscription\`, \`/payment\` …) and signs blinded tokens. The **anonymizer** knows
tokens, connections and nodes (\`/vpn\`, \`/node\`), never users. Send an ID token only to the gatekeeper. Never send an ID token
and a VPN token over one connection.

Errors are \`application/problem+json\` (RFC 9457). Programs read \`code\`, whose meaning never changes; developers read
\`detail\`. Unknown fields are refused. Times are RFC 3339 in UTC unless a field says otherwise.`;

/** The credentials of callers, under the names that `@ApiBearerAuth` and `@ApiSecurity` use. */
const bearerSchemes = {
  idToken: 'The Firebase ID token of the user.',
  connectionSecret: 'The `connection_secret` from the response of `POST /vpn/config`.',
  nodeCredential: 'The `credential` that the node got when it registered.',
  enrolmentToken: 'An enrolment token, which an operator creates for one location.',
};

const privateToken =
  'RFC 9577 §2.2: `Authorization: PrivateToken token="…"`, the Token (token ‖ signature, 354 bytes) in base64url.';

const tags = {
  auth: 'Gatekeeper: blind signatures for tokens, and sign-out.',
  account: "Gatekeeper: the user's account, its data and its deletion.",
  subscription: "Gatekeeper: the user's access.",
  payment: 'Gatekeeper: plans, checkout, payments and webhooks.',
  preferences: 'Gatekeeper: settings that all devices of a user share.',
  notifications: 'Gatekeeper: pages that mails link to.',
  keys: 'Both sides: the public issuer keys.',
  vpn: 'Anonymizer: locations, redemption and connections.',
  node: 'Anonymizer: the API for nodes.',
  health: 'For load balancers.',
};

const problemSchema = {
  type: 'object' as const,
  description: 'RFC 9457. Some problems have further members, which their endpoints describe.',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string' as const, description: '`urn:problem:` followed by the code.' },
    title: { type: 'string' as const },
    status: { type: 'integer' as const },
    detail: { type: 'string' as const, description: 'What was wrong and what was expected.' },
    code: { type: 'string' as const, enum: Object.keys(problems).sort() },
  },
};

/** The OpenAPI document of the endpoints that an application serves. The same code gives the same text. */
export function describeApi(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder().setOpenAPIVersion('3.1.0').setTitle('VPN backend').setVersion('1');
  builder.setDescription(description.trim());
  builder.addGlobalResponse({
    status: 'default',
    description: 'Any other problem: an unreadable request, a rate limit, a fault of the service.',
    content: { [problemMediaType]: { schema: { $ref: '#/components/schemas/Problem' } } },
  });
  for (const [name, about] of Object.entries(tags)) builder.addTag(name, about);
  for (const [name, about] of Object.entries(bearerSchemes)) {
    builder.addSecurity(name, { type: 'http', scheme: 'bearer', description: about });
  }
  builder.addSecurity('privateToken', { type: 'http', scheme: 'PrivateToken', description: privateToken });
  const document = SwaggerModule.createDocument(app, builder.build(), {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
  placeBinaryForms(document);
  document.components ??= {};
  document.components.schemas = sorted({ ...document.components.schemas, Problem: problemSchema });
  document.paths = sorted(document.paths);
  return document;
}

/** Serves the reference at `/docs` and its document at `/openapi.json`, rendered at the first request. */
export function serveReference(app: NestFastifyApplication): void {
  SwaggerModule.setup('docs', app, () => describeApi(app), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'VPN backend',
  });
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
