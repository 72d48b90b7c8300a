export { type Act, type ActOnAll, recordAct, self } from './audit.js';
