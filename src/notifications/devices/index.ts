export { PushDevicesModule } from './push-devices.module.js';
export { forgetDevicesOf, PushDevicesStore } from './push-devices.store.js';
