import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { PreferencesModule } from '../preferences/index.js';
import { Announcements } from './announcements.service.js';
import { AnnouncementsStore } from './announcements.store.js';
import { Deliveries } from './delivery.service.js';
import { DeliveryStore } from './delivery.store.js';
import { EmailChangeLinks } from './email-change-links.js';
import { MailCarrier } from './mail.carrier.js';
import { MailClient } from './mail.client.js';
import { PushCarrier } from './push.carrier.js';
import { PushClient } from './push.client.js';
import { TimedNotices } from './timed-notices.service.js';
import { TimedNoticesStore } from './timed-notices.store.js';
import { UnsubscribeController } from './unsubscribe.controller.js';
import { Unsubscribing } from './unsubscribe.service.js';

const stores = [AnnouncementsStore, DeliveryStore, TimedNoticesStore];

/** Tells people what happened to their account and its money, by mail and push. */
@Module({
  imports: [AuthModule, PreferencesModule],
  controllers: [UnsubscribeController],
  providers: [
    ...stores,
    Announcements,
    Deliveries,
    EmailChangeLinks,
    MailCarrier,
    MailClient,
    PushCarrier,
    PushClient,
    TimedNotices,
    Unsubscribing,
  ],
  exports: [Announcements],
})
export class NotificationsModule {}
