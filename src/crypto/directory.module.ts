import { Module } from '@nestjs/common';
import { DirectoryController } from './directory.controller.js';

/** Imported by each side's half of crypto; a process that serves both has one controller. */
@Module({ controllers: [DirectoryController] })
export class DirectoryModule {}
