import { Module } from '@nestjs/common';
import { MailPreviewController } from './mail-preview.controller.js';

/** Pages for developers who work on the mails. Never in production. */
@Module({ controllers: [MailPreviewController] })
export class MailPreviewModule {}
