import { Module } from '@nestjs/common';
import { DirectoryController } from './directory.controller.js';

/** Imported by the issuer and by the verifier; a process that runs both has one controller. */
@Module({ controllers: [DirectoryController] })
export class DirectoryModule {}
