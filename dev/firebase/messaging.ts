import { z } from 'zod';
import { read } from './client-api.js';
import { GoogleError } from './google-error.js';

/** A push that was taken for a device. */
export interface CaughtPush {
  readonly token: string;
  readonly title: string;
  readonly body: string;
  readonly data: Readonly<Record<string, string>>;
}

/** What Google answers instead, by the name of its error. */
export type PushFault = 'UNREGISTERED' | 'SENDER_ID_MISMATCH' | 'INVALID_ARGUMENT' | 'UNAVAILABLE' | 'QUOTA_EXCEEDED';

const statuses: Readonly<Record<PushFault, readonly [code: number, status: string]>> = {
  UNREGISTERED: [404, 'NOT_FOUND'],
  SENDER_ID_MISMATCH: [403, 'PERMISSION_DENIED'],
  INVALID_ARGUMENT: [400, 'INVALID_ARGUMENT'],
  UNAVAILABLE: [503, 'UNAVAILABLE'],
  QUOTA_EXCEEDED: [429, 'RESOURCE_EXHAUSTED'],
};

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
    return { name: `projects/stand-in/messages/${this.pushes.length}` };
  }
}

class MessagingError extends GoogleError {
  constructor(private readonly fault: PushFault) {
    super(fault, statuses[fault][0]);
  }

  override toJSON(): object {
    const [code, status] = statuses[this.fault];
    const details = [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: this.fault }];
    return { error: { code, message: this.message, status, details } };
  }
}
