import { z } from 'zod';
import { read } from './client-api.js';
import { GoogleError } from './google-error.js';

/** An accepted push message to a device. */
export interface CaughtPush {
  readonly token: string;
  readonly title: string;
  readonly body: string;
  readonly data: Readonly<Record<string, string>>;
}

/** The errors of Cloud Messaging, and those of Google's API layer in front of it. */
export type PushFault = keyof typeof messagingFaults | keyof typeof googleFaults;

/** The service account may not send, or the project does not exist. */
const googleFaults = { PERMISSION_DENIED: 403, NOT_FOUND: 404 } as const;
const messagingFaults = {
  UNREGISTERED: [404, 'NOT_FOUND'],
  SENDER_ID_MISMATCH: [403, 'PERMISSION_DENIED'],
  INVALID_ARGUMENT: [400, 'INVALID_ARGUMENT'],
  UNAVAILABLE: [503, 'UNAVAILABLE'],
  QUOTA_EXCEEDED: [429, 'RESOURCE_EXHAUSTED'],
  THIRD_PARTY_AUTH_ERROR: [401, 'UNAUTHENTICATED'],
} as const satisfies Record<string, readonly [code: number, status: string]>;

const request = z.object({
  message: z.object({
    token: z.string().min(1),
    notification: z.object({ title: z.string(), body: z.string() }),
    data: z.record(z.string(), z.string()).default({}),
  }),
});

/** `projects/{p}/messages:send` of Firebase Cloud Messaging. */
export class MessagingApi {
  readonly pushes: CaughtPush[] = [];
  private readonly faults = new Map<string, PushFault>();

  failPushesTo(token: string, fault: PushFault | undefined): void {
    if (fault === undefined) this.faults.delete(token);
    else this.faults.set(token, fault);
  }

  send(body: unknown): object {
    const { token, notification, data } = read(request, body).message;
    const fault = this.faults.get(token);
    if (fault !== undefined) throw new MessagingError(fault);
    this.pushes.push({ token, ...notification, data });
    return { name: `projects/fake/messages/${this.pushes.length}` };
  }
}

class MessagingError extends GoogleError {
  constructor(private readonly fault: PushFault) {
    super(fault, statusOf(fault)[0]);
  }

  override toJSON(): object {
    const [code, status] = statusOf(this.fault);
    const detail =
      this.fault in messagingFaults
        ? { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: this.fault }
        : { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: this.fault, domain: 'googleapis.com' };
    return { error: { code, message: this.message, status, details: [detail] } };
  }
}

function statusOf(fault: PushFault): readonly [code: number, status: string] {
  return fault in googleFaults
    ? [googleFaults[fault as keyof typeof googleFaults], fault]
    : messagingFaults[fault as keyof typeof messagingFaults];
}
