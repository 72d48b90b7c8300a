import { Inject, Injectable } from '@nestjs/common';
import { FirebaseError } from 'firebase-admin/app';
import { getMessaging, type Messaging } from 'firebase-admin/messaging';
import { z } from 'zod';
import { FirebaseClient } from '../auth/index.js';
import { withTimeLimit } from '../platform/background/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { channelDown, retryLater, type Outcome, refused, sent, skipped } from './channel.js';

export interface OutgoingPush {
  /** Registration token of the device. */
  readonly token: string;
  readonly kind: string;
  readonly title: string;
  readonly body: string;
}

/** Errors that concern all devices: Google limits the rate, fails, or does not let this service send at all. */
const pausingErrors: ReadonlySet<string> = new Set([
  'messaging/message-rate-exceeded',
  'messaging/server-unavailable',
  'messaging/internal-error',
  'messaging/third-party-auth-error',
  'messaging/authentication-error',
  'messaging/mismatched-credential',
  'messaging/registration-token-not-registered',
]);

const timeoutMs = 20_000;

/** Firebase Cloud Messaging. */
@Injectable()
export class PushClient {
  private readonly messaging: Messaging | undefined;

  constructor(@Inject(GATEKEEPER_CONFIG) { firebase }: GatekeeperConfig, client: FirebaseClient) {
    // The emulator offers no messaging, and sending needs a service account.
    const canSend = firebase.emulatorHost === undefined && (firebase.serviceAccount ?? firebase.api) !== undefined;
    this.messaging = canSend ? getMessaging(client.app) : undefined;
  }

  /** Retries a broken connection once: a single failure should not pause the whole channel. */
  async send(push: OutgoingPush): Promise<Outcome | 'dead_token'> {
    const outcome = await this.attempt(push);
    return outcome === 'broken'
      ? this.attempt(push).then((second) => (second === 'broken' ? channelDown(second) : second))
      : outcome;
  }

  private async attempt({ token, kind, title, body }: OutgoingPush): Promise<Outcome | 'dead_token' | 'broken'> {
    if (this.messaging === undefined) return skipped('not_configured');
    try {
      await withinTimeout(this.messaging.send({ token, notification: { title, body }, data: { kind } }));
      return sent;
    } catch (error) {
      return error instanceof FirebaseError ? outcomeOf(error) : 'broken';
    }
  }
}

/** The part of Google's error response that we read. */
const fcmErrorBody = z.object({
  error: z.object({ details: z.array(z.object({ '@type': z.string(), errorCode: z.string().optional() })) }),
});

/**
 * The error code of Cloud Messaging itself; undefined if the request never got there. The library's own codes are not
 * reliable: it also reports a dead token when the project is not found or the service account may not send.
 * https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
 */
function fcmErrorCode({ httpResponse }: FirebaseError): string | undefined {
  const details = fcmErrorBody.safeParse(httpResponse?.data).data?.error.details ?? [];
  return details.find((detail) => detail['@type'].endsWith('/google.firebase.fcm.v1.FcmError'))?.errorCode;
}

function outcomeOf(error: FirebaseError): Outcome | 'dead_token' | 'broken' {
  const { code } = error;
  if (!code.startsWith('messaging/')) return 'broken';
  const reason = code.replace('messaging/', '');
  switch (fcmErrorCode(error)) {
    case 'UNREGISTERED':
      return 'dead_token';
    // The token belongs to another Firebase project. Kept: if the operator changed the project, this is true of all tokens.
    case 'SENDER_ID_MISMATCH':
      return refused('sender_id_mismatch');
    // Apple's or a browser's push service rejects our certificate. Android devices are not affected.
    case 'THIRD_PARTY_AUTH_ERROR':
      return retryLater(reason);
    default:
      // An invalid argument concerns this message or its token.
      if (code === 'messaging/invalid-argument') return refused(reason);
      return pausingErrors.has(code) ? channelDown(reason) : retryLater(reason);
  }
}

/** The library itself retries for more than half a minute, and other devices would wait. */
const withinTimeout = <T>(response: Promise<T>) =>
  withTimeLimit(timeoutMs, response, () => new Error('Firebase did not answer in time.'));
