export { PushDevicesModule } from './push-devices.module.js';
export { deleteDevicesOf, PushDevicesStore } from './push-devices.store.js';
