import { Module } from '@nestjs/common';
import { PushDevicesStore } from './push-devices.store.js';

/** Separate from notifications, so that the account module can manage devices without depending on delivery. */
@Module({ providers: [PushDevicesStore], exports: [PushDevicesStore] })
export class PushDevicesModule {}
