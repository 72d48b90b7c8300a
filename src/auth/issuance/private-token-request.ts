import { type FastifyInstance, type FastifyRequest } from 'fastify';
import { tokenRequestType } from './vpn-token.schema.js';

/** The routing constraint that tells RFC 9578's binary form from JSON on one path. */
export const privateTokenRequest = { mediaType: tokenRequestType };

type Done = (error: null, body: Buffer) => void;

/** Teaches Fastify the media type: its body stays bytes, and a handler of its own may ask for it. */
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
    // Only our own type is told apart: every other request meets the handler without a constraint.
    deriveConstraint: ({ headers }) => {
      const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
      return type === tokenRequestType ? type : undefined;
    },
  });
}
