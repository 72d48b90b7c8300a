import { Inject, Injectable } from '@nestjs/common';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { type DeliveryChannel, type Outcome, skipped } from './channel.js';
import { messageOf } from './message-catalog/index.js';
import { type PendingDelivery } from './delivery.store.js';
import { PushDevicesStore } from './devices/index.js';
import { localeOf } from './mail.channel.js';
import { PushClient } from './push.client.js';

/** The name of the service in pushes if no mail sender is configured. */
const defaultServiceName = 'VPN';

/** Sends notifications as pushes to the user's devices. */
@Injectable()
export class PushChannel implements DeliveryChannel {
  readonly concurrency = 8;

  constructor(
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
    private readonly client: PushClient,
    private readonly devices: PushDevicesStore,
  ) {}

  async deliver({ kind, payload, locale, muted, device }: PendingDelivery): Promise<Outcome> {
    if (device === null) return skipped('device_gone');
    if (muted.includes(kind)) return skipped('not_wanted');
    const { subject, paragraphs } = messageOf(
      kind,
      payload,
      localeOf(locale),
      this.config.mail?.from.name ?? defaultServiceName,
    );
    const outcome = await this.client.send({ token: device.token, kind, title: subject, body: paragraphs[0] });
    if (outcome !== 'dead_token') return outcome;
    await this.devices.removeByToken(device.token);
    return skipped('device_gone');
  }
}
