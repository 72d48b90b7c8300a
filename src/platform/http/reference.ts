import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { problemMediaType, problems } from '../errors/index.js';
import { placeBinaryForms } from './other-form.js';

const description = `
A VPN backend whose two halves cannot tie a person to a connection.

The **gatekeeper** knows people (\`/auth\`, \`/subscription\`, \`/payment\` …) and signs tokens blind. The **anonymizer** knows tokens,
connections and nodes (\`/vpn\`, \`/node\`), never people. Send an ID token to the gatekeeper alone, and never both an ID
token and a VPN token over one connection.

Errors are \`application/problem+json\` (RFC 9457). Programs read \`code\`, which keeps its meaning; \`detail\` is for people.
Unknown fields are refused. Times are RFC 3339 in UTC unless a field says otherwise.`;

/** How callers prove what they may do; the names that `@ApiBearerAuth` and `@ApiSecurity` take. */
const bearerSchemes = {
  idToken: 'A Firebase ID token of the person.',
  connectionSecret: 'The `connection_secret` of the answer to `POST /vpn/config`.',
  nodeCredential: 'The `credential` that a node got when it registered.',
  enrolmentToken: 'An enrolment token, made by the operator for one location.',
};

const privateToken =
  'RFC 9577 §2.2: `Authorization: PrivateToken token="…"`, the Token (token ‖ signature, 354 bytes) in base64url.';

const tags = {
  auth: 'Gatekeeper: tokens, signed blind.',
  account: 'Gatekeeper: what is kept of a person, for them to see and to end.',
  subscription: 'Gatekeeper: what a person may use.',
  payment: 'Gatekeeper: how people pay.',
  preferences: 'Gatekeeper: what people have chosen for all their devices.',
  notifications: 'Gatekeeper: what the mails link to.',
  keys: 'Both sides: the issuer keys.',
  vpn: 'Anonymizer: locations, redemption, connections.',
  node: 'Anonymizer: what the nodes call.',
  health: 'For load balancers.',
};

const problemSchema = {
  type: 'object' as const,
  description: 'RFC 9457. Some problems carry further members, which their endpoints name.',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string' as const, description: '`urn:problem:` and the code.' },
    title: { type: 'string' as const },
    status: { type: 'integer' as const },
    detail: { type: 'string' as const, description: 'What was wrong and what was expected.' },
    code: { type: 'string' as const, enum: Object.keys(problems).sort() },
  },
};

/** The OpenAPI document of the endpoints that an application serves; the same text from the same code. */
export function describeApi(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder().setOpenAPIVersion('3.1.0').setTitle('VPN backend').setVersion('1');
  builder.setDescription(description.trim());
  builder.addGlobalResponse({
    status: 'default',
    description: 'Any other problem: a request that cannot be read, a limit, a fault of ours.',
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
