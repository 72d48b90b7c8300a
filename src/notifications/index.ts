export { AnnouncementsService } from './announcements.service.js';
export { MailPreviewModule } from './mail-preview.module.js';
export { NotificationsModule } from './notifications.module.js';
