export { type MailCatcher, startMailCatcher } from './catcher.js';
export { type CaughtMail } from './read-mail.js';
