import { Inject, Injectable } from '@nestjs/common';
import { FirebaseError } from 'firebase-admin/app';
import { getMessaging, type Messaging } from 'firebase-admin/messaging';
import { FirebaseClient } from '../auth/index.js';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../config/index.js';
import { down, later, type Outcome, refused, sent } from './carrier.js';

export interface OutgoingPush {
  /** Registration token of the device. */
  readonly token: string;
  readonly kind: string;
  readonly title: string;
  readonly body: string;
}

/** A push that reaches nobody: the app is gone from the device, or was never this project's. */
const deadToken: ReadonlySet<string> = new Set([
  'messaging/registration-token-not-registered',
  'messaging/invalid-registration-token',
  'messaging/mismatched-credential',
]);
/** Google asks to slow down, or has a fault: for everybody. */
const notNow: ReadonlySet<string> = new Set([
  'messaging/message-rate-exceeded',
  'messaging/server-unavailable',
  'messaging/internal-error',
  'messaging/third-party-auth-error',
]);

const patienceMs = 20_000;

/** Firebase Cloud Messaging. */
@Injectable()
export class PushClient {
  private readonly messaging: Messaging | undefined;

  constructor(@Inject(GATEKEEPER_CONFIG) { firebase }: GatekeeperConfig, client: FirebaseClient) {
    // The emulator has no messaging: without an account nobody may send.
    const maySend = firebase.emulatorHost === undefined && (firebase.serviceAccount ?? firebase.standIn) !== undefined;
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
    if (this.messaging === undefined) return refused('not_configured');
    try {
      await inTime(this.messaging.send({ token, notification: { title, body }, data: { kind } }));
      return sent;
    } catch (error) {
      const code = error instanceof FirebaseError ? error.code : 'unknown';
      if (!code.startsWith('messaging/')) return 'broken';
      const reason = code.replace(/^\w+\//, '');
      if (deadToken.has(code)) return 'dead_token';
      // What Google calls an invalid argument is about this message or its token.
      if (code === 'messaging/invalid-argument') return refused(reason);
      if (code === 'messaging/device-message-rate-exceeded') return later(reason);
      return notNow.has(code) ? down(reason) : later(reason);
    }
  }
}

/** The library retries for half a minute and more; the other devices wait meanwhile. */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('Firebase does not answer.')), patienceMs);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}
