import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { every, maintenanceJobs } from '../platform/background/index.js';
import { handles, jobHandlers } from '../platform/jobs/index.js';
import { PreferencesModule } from '../preferences/index.js';
import { IdentityMaintenance } from '../prisma/identity/index.js';
import { AnnouncementsService } from './announcements.service.js';
import { AnnouncementsStore } from './announcements.store.js';
import { DeliveryService } from './delivery.service.js';
import { DeliveryStore } from './delivery.store.js';
import { PushDevicesModule } from './devices/index.js';
import { EmailChangeLinksService } from './email-change-links.service.js';
import { MailChannel } from './mail.channel.js';
import { MailClient } from './mail.client.js';
import { deliveryTasks } from './outbox/index.js';
import { PushChannel } from './push.channel.js';
import { PushClient } from './push.client.js';
import { TimedNotificationsService } from './timed-notifications.service.js';
import { TimedNotificationsStore } from './timed-notifications.store.js';
import { UnsubscribeController } from './unsubscribe.controller.js';
import { UnsubscribeService } from './unsubscribe.service.js';

const stores = [AnnouncementsStore, DeliveryStore, TimedNotificationsStore];

/** Notifies users about their account and their payments, by e-mail and push. */
@Module({
  imports: [AuthModule, PreferencesModule, PushDevicesModule],
  controllers: [UnsubscribeController],
  providers: [
    ...stores,
    AnnouncementsService,
    DeliveryService,
    EmailChangeLinksService,
    MailChannel,
    MailClient,
    PushChannel,
    PushClient,
    TimedNotificationsService,
    UnsubscribeService,
    ...jobHandlers(
      handles(deliveryTasks.email, DeliveryService, (deliveries) => deliveries.sendDue('email')),
      handles(deliveryTasks.push, DeliveryService, (deliveries) => deliveries.sendDue('push')),
    ),
    ...maintenanceJobs(
      IdentityMaintenance,
      every(5, 'notifications-due', DeliveryService, (deliveries) => deliveries.enqueueDueJobs()),
      every(3_600, 'notifications-purge', DeliveryService, (deliveries) => deliveries.purge()),
      every(60, 'timed-notifications', TimedNotificationsService, (notifications) => notifications.enqueueDue()),
    ),
  ],
  exports: [AnnouncementsService],
})
export class NotificationsModule {}
