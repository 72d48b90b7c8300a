import { Inject, Injectable } from '@nestjs/common';
import { FirebaseError } from 'firebase-admin/app';
import { getMessaging, type Messaging } from 'firebase-admin/messaging';
import { z } from 'zod';
import { FirebaseClient } from '../auth/index.js';
import { withTimeLimit } from '../platform/background/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { down, later, type Outcome, refused, sent, skipped } from './channel.js';

export interface OutgoingPush {
  /** Registration token of the device. */
  readonly token: string;
  readonly kind: string;
  readonly title: string;
  readonly body: string;
}

/** Google asks to slow down, has a fault, or does not let this service send at all: for everybody. */
const notNow: ReadonlySet<string> = new Set([
  'messaging/message-rate-exceeded',
  'messaging/server-unavailable',
  'messaging/internal-error',
  'messaging/third-party-auth-error',
  'messaging/authentication-error',
  'messaging/mismatched-credential',
  'messaging/registration-token-not-registered',
]);

const patienceMs = 20_000;

/** Firebase Cloud Messaging. */
@Injectable()
export class PushClient {
  private readonly messaging: Messaging | undefined;

  constructor(@Inject(GATEKEEPER_CONFIG) { firebase }: GatekeeperConfig, client: FirebaseClient) {
    // The emulator has no messaging: without an account nobody may send.
    const maySend = firebase.emulatorHost === undefined && (firebase.serviceAccount ?? firebase.api) !== undefined;
    this.messaging = maySend ? getMessaging(client.app) : undefined;
  }

  /** A connection that breaks once says little, and pauses nothing. */
  async send(push: OutgoingPush): Promise<Outcome | 'dead_token'> {
    const outcome = await this.attempt(push);
    return outcome === 'broken'
      ? this.attempt(push).then((again) => (again === 'broken' ? down(again) : again))
      : outcome;
  }

  private async attempt({ token, kind, title, body }: OutgoingPush): Promise<Outcome | 'dead_token' | 'broken'> {
    if (this.messaging === undefined) return skipped('not_configured');
    try {
      await inTime(this.messaging.send({ token, notification: { title, body }, data: { kind } }));
      return sent;
    } catch (error) {
      return error instanceof FirebaseError ? outcomeOf(error) : 'broken';
    }
  }
}

/** As much of Google's answer as matters here. */
const refusal = z.object({
  error: z.object({ details: z.array(z.object({ '@type': z.string(), errorCode: z.string().optional() })) }),
});

/**
 * What Messaging itself says of a message; undefined where it was never asked. The library's codes do not tell: it calls a
 * token dead when the project is not found, or the service account may not send.
 * https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
 */
function saidOfMessage({ httpResponse }: FirebaseError): string | undefined {
  const details = refusal.safeParse(httpResponse?.data).data?.error.details ?? [];
  return details.find((detail) => detail['@type'].endsWith('/google.firebase.fcm.v1.FcmError'))?.errorCode;
}

function outcomeOf(error: FirebaseError): Outcome | 'dead_token' | 'broken' {
  const { code } = error;
  if (!code.startsWith('messaging/')) return 'broken';
  const reason = code.replace('messaging/', '');
  switch (saidOfMessage(error)) {
    case 'UNREGISTERED':
      return 'dead_token';
    // Of another project: this device's token, or everybody's where the operator has changed the account. It stays.
    case 'SENDER_ID_MISMATCH':
      return refused('sender_id_mismatch');
    // Apple's or a browser's push service does not take our certificate; Android goes on.
    case 'THIRD_PARTY_AUTH_ERROR':
      return later(reason);
    default:
      // What Google calls an invalid argument is about this message or its token.
      if (code === 'messaging/invalid-argument') return refused(reason);
      return notNow.has(code) ? down(reason) : later(reason);
  }
}

/** The library retries for half a minute and more; the other devices wait meanwhile. */
const inTime = <T>(answer: Promise<T>) =>
  withTimeLimit(patienceMs, answer, () => new Error('Firebase does not answer.'));
