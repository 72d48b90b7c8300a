import { money } from '../../subscription/index.js';
import { type MessageCatalog } from './message.js';

const day = (moment: string) =>
  new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(moment));
const time = (moment: string) =>
  `${new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(new Date(moment))} UTC`;

const stores = { stripe: 'Stripe', apple: 'the App Store', operator: 'us', trial: 'us' };
const whereToPay = {
  stripe: 'Open the app, go to your account and choose “Manage payment” to use another card or try again.',
  apple:
    'Open the settings of your iPhone, tap your name, then “Payment & Shipping”, and mend the payment method there.',
  operator: 'Write to our support.',
  trial: 'Write to our support.',
};

export const en: MessageCatalog = {
  messages: {
    welcome: (_, service) => ({
      subject: `Welcome to ${service}`,
      paragraphs: [
        'Your account is ready. Open the app to choose a plan and connect.',
        'We know your e-mail address and what you pay. We do not know where you connect, when, or to what: the half of our service that knows you never sees a connection, and the half that sees connections never learns who you are.',
      ],
    }),
    email_verified: (_, service) => ({
      subject: 'Your e-mail address is verified',
      paragraphs: [
        `This address now belongs to your ${service} account. You can begin a trial or choose a plan in the app.`,
        'We write to it only about your account and its payments.',
      ],
    }),
    trial_ending: ({ until, renews }) => ({
      subject: `Your trial ends on ${day(until)}`,
      paragraphs: [
        `Your trial runs until ${time(until)}.`,
        renews
          ? 'It then becomes the subscription that you chose, and the first payment is taken. If you do not want that, cancel in the app before then.'
          : 'Nothing is charged. To stay connected, choose a plan in the app before then.',
      ],
    }),
    payment_failed: ({ plan, provider, until }) => ({
      subject: 'Your payment did not go through',
      paragraphs: [
        `${capital(stores[provider])} could not take the payment for your plan ${plan}.`,
        until === null
          ? 'Until it is paid, you have no access.'
          : `You keep your access until ${time(until)}, so that you have time to mend it.`,
        whereToPay[provider],
      ],
    }),
    grace_ending: ({ plan, provider, until }) => ({
      subject: `Your access ends on ${day(until)}`,
      paragraphs: [
        `The payment for your plan ${plan} is still open. Your access ends on ${time(until)}.`,
        whereToPay[provider],
      ],
    }),
    renewed: ({ plan, until }) => ({
      subject: 'Your subscription was renewed',
      paragraphs: [`Your plan ${plan} is paid until ${time(until)}. There is nothing for you to do.`],
    }),
    cancelled: ({ plan, until }) => ({
      subject: 'Your subscription is cancelled',
      paragraphs: [
        `Your plan ${plan} will not be renewed, and nothing more is charged. You keep your access until ${time(until)}.`,
        'If that was not you, sign out everywhere in the app and change your password.',
      ],
    }),
    expired: ({ plan, trial }) => ({
      subject: trial ? 'Your trial has ended' : 'Your subscription has ended',
      paragraphs: [
        trial ? 'Your trial is over, and nothing was charged.' : `Your plan ${plan} has ended.`,
        'To connect again, choose a plan in the app.',
      ],
    }),
    refunded: ({ amount, currency, provider }) => ({
      subject: 'You get money back',
      paragraphs: [
        `${money(amount, currency)} goes back to you through ${stores[provider]}. It may take your bank some days to show it.`,
      ],
    }),
    plan_changed: ({ plan }) => ({
      subject: `Your plan is now ${plan}`,
      paragraphs: [
        `Your subscription has moved to the plan ${plan}. The app shows what it holds.`,
        'If that was not you, sign out everywhere in the app and change your password.',
      ],
    }),
    sign_in_provider_added: ({ signIn }) => ({
      subject: 'A new way to sign in to your account',
      paragraphs: [
        `Your account can now be entered with ${signIn}.`,
        'If that was not you, sign out everywhere in the app, remove that way to sign in and change your password.',
      ],
    }),
    signed_out_everywhere: ({ byOperator }) => ({
      subject: 'You were signed out everywhere',
      paragraphs: [
        byOperator
          ? 'Our support has ended every sign-in of your account.'
          : 'Every sign-in of your account was ended, as you asked.',
        'If that was not you, change your password now.',
      ],
    }),
    email_change_asked: () => ({
      subject: 'Somebody asked for another e-mail address',
      paragraphs: [
        'Your account is to get another e-mail address. It changes once the link is opened that we sent to the new one.',
        'If that was you, there is nothing to do here. If not, somebody is signed in to your account: sign out everywhere in the app and change your password.',
      ],
    }),
    email_change_link: ({ link }, service) => ({
      subject: 'Confirm your new e-mail address',
      paragraphs: [
        `Somebody, probably you, asked for this address to become the one of their ${service} account.`,
        'If that was you, open this link. It then is your address, and you sign in again with it on every device.',
        'If it was not you, do nothing: without the link nothing changes.',
      ],
      link,
    }),
    account_deleted: ({ stillBilledBy }, service) => ({
      subject: 'Your account is deleted',
      paragraphs: [
        `Your ${service} account and what we kept of you are gone. Payments stay in our books, as the law asks, without your name.`,
        ...(stillBilledBy.includes('apple')
          ? [
              'Apple goes on charging for your subscription, since only you can end it: open the settings of your iPhone, tap your name, then “Subscriptions”, and cancel it there.',
            ]
          : []),
        'This is the last mail that you get from us. This address is forgotten once it is sent.',
      ],
    }),
    maintenance: ({ from, to, text }) => ({
      subject: `Maintenance on ${day(from)}`,
      paragraphs: [`From ${time(from)} to ${time(to)}.`, text],
    }),
  },
  noLinks: 'Our mails never ask for a password and hold no link to sign in or to pay: open the app instead.',
  unsubscribe: 'No more of these:',
  always: 'You get this because it is about the safety or the payment of your account.',
};

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
