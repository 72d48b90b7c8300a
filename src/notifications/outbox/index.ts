export { areWoken, type Channel, deliveryTasks, iso, telling, wakingUp } from './telling.js';
