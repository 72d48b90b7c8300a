import { Module } from '@nestjs/common';
import { PushDevicesStore } from './push-devices.store.js';

/** Apart from the notifications that go to them: accounts show and change their devices, and know of no delivery. */
@Module({ providers: [PushDevicesStore], exports: [PushDevicesStore] })
export class PushDevicesModule {}
