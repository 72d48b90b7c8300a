import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { every, upkeepJobs } from '../platform/background/index.js';
import { handles, jobHandlers } from '../platform/jobs/index.js';
import { PreferencesModule } from '../preferences/index.js';
import { IdentityUpkeep } from '../prisma/identity/index.js';
import { Announcements } from './announcements.service.js';
import { AnnouncementsStore } from './announcements.store.js';
import { Deliveries } from './delivery.service.js';
import { DeliveryStore } from './delivery.store.js';
import { PushDevicesModule } from './devices/index.js';
import { EmailChangeLinks } from './email-change-links.js';
import { MailCarrier } from './mail.carrier.js';
import { MailClient } from './mail.client.js';
import { deliveryTasks } from './outbox/index.js';
import { PushCarrier } from './push.carrier.js';
import { PushClient } from './push.client.js';
import { TimedNotices } from './timed-notices.service.js';
import { TimedNoticesStore } from './timed-notices.store.js';
import { UnsubscribeController } from './unsubscribe.controller.js';
import { Unsubscribing } from './unsubscribe.service.js';

const stores = [AnnouncementsStore, DeliveryStore, TimedNoticesStore];

/** Tells people what happened to their account and its money, by mail and push. */
@Module({
  imports: [AuthModule, PreferencesModule, PushDevicesModule],
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
    ...jobHandlers(
      handles(deliveryTasks.email, Deliveries, (deliveries) => deliveries.drain('email')),
      handles(deliveryTasks.push, Deliveries, (deliveries) => deliveries.drain('push')),
    ),
    ...upkeepJobs(
      IdentityUpkeep,
      every(5, 'notifications-due', Deliveries, (deliveries) => deliveries.wake()),
      every(3_600, 'notifications-purge', Deliveries, (deliveries) => deliveries.purge()),
      every(60, 'timed-notices', TimedNotices, (notices) => notices.tell()),
    ),
  ],
  exports: [Announcements],
})
export class NotificationsModule {}
