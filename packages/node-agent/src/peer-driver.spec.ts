import { describePeerDriver } from '../test/peer-driver-contract.js';
import { MemoryDriver } from './peer-driver.js';

describePeerDriver('MemoryDriver', async () => ({ driver: new MemoryDriver(), close: async () => undefined }));
