import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { type Locale, locales, optionalKinds, type OptionalKind } from '../preferences/index.js';
import { type DeliveryChannel, type Outcome, refused, skipped } from './channel.js';
import { type PendingDelivery } from './delivery.store.js';
import { EmailChangeLinksService } from './email-change-links.service.js';
import { renderMail } from './mail.js';
import { MailClient } from './mail.client.js';
import { NotificationKeys } from './notification-keys.js';

/**
 * Exactly one address, which no mail program or server can read as several: no list, no comment, no line break. Firebase checks
 * the addresses that users enter, but a mail to two recipients would still be our fault. Lengths: RFC 5321 §4.5.3.1.
 */
const oneAddress = z
  .email()
  .max(254)
  .refine((address) => address.lastIndexOf('@') <= 64);

const optional: ReadonlySet<string> = new Set(optionalKinds);

/** Sends notifications by e-mail, to verified addresses. */
@Injectable()
export class MailChannel implements DeliveryChannel {
  readonly concurrency: number;
  private readonly keys: NotificationKeys;

  constructor(
    @Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig,
    private readonly client: MailClient,
    private readonly links: EmailChangeLinksService,
    private readonly clock: Clock,
  ) {
    this.keys = new NotificationKeys(config.secretKey);
    this.concurrency = config.mail?.connections ?? 1;
  }

  async deliver(delivery: PendingDelivery): Promise<Outcome> {
    const { id, kind, payload, userId, address, locale, muted } = delivery;
    const { mail } = this.config;
    if (mail === undefined) return skipped('not_configured');
    if (address === null) return skipped('no_verified_address');
    if (!oneAddress.safeParse(address).success) return refused('bad_address');
    const isOptional = optional.has(kind);
    if (isOptional && muted.includes(kind)) return skipped('not_wanted');
    const link = kind === 'email_change_link' ? await this.links.make({ ...delivery, address }) : undefined;
    if (link !== undefined && 'kind' in link) return link;
    const unsubscribeUrl =
      isOptional && userId !== null
        ? `${mail.unsubscribeUrl}/${this.keys.seal({ userId, kind: kind as OptionalKind })}`
        : undefined;
    const options = { locale: localeOf(locale), service: mail.from.name, unsubscribeUrl };
    return this.client.send({
      ...renderMail(kind, link ?? payload, options),
      to: address,
      name: this.keys.messageName(id),
      date: this.clock.now(),
      unsubscribeUrl,
    });
  }
}

/** The user's language. The default for users who chose none, or one that is no longer offered. */
export function localeOf(chosen: string | null): Locale {
  return locales.find((locale) => locale === chosen) ?? locales[0];
}
