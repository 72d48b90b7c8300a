import { type FastifyInstance, type FastifyRequest } from 'fastify';
import { tokenRequestType } from './vpn-token.schema.js';

/** The routing constraint that separates the binary form of RFC 9578 from JSON on the same path. */
export const privateTokenRequest = { mediaType: tokenRequestType };

type Done = (error: null, body: Buffer) => void;

/** Registers the media type with Fastify: its body is parsed as bytes, and a handler can be constrained to it. */
export function acceptPrivateTokenRequests(fastify: FastifyInstance): void {
  fastify.addContentTypeParser(tokenRequestType, { parseAs: 'buffer' }, (_: FastifyRequest, body: Buffer, done: Done) =>
    done(null, body),
  );
  fastify.addConstraintStrategy({
    name: 'mediaType',
    storage: () => {
      const handlers = new Map<unknown, never>();
      return {
        get: (type) => handlers.get(type) ?? null,
        set: (type, handler) => void handlers.set(type, handler as never),
      };
    },
    validate: () => true,
    // Only this media type has its own handler. All other requests go to the handler without a constraint.
    deriveConstraint: ({ headers }) => {
      const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
      return type === tokenRequestType ? type : undefined;
    },
  });
}
