export { type MailCatcher, type MailCatcherOptions, type MailFault, startMailCatcher } from './catcher.js';
export { type CaughtMail } from './read-mail.js';
