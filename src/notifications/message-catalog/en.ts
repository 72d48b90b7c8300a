import { money } from '../../subscription/index.js';
import { type MessageCatalog } from './message.js';

const day = (moment: string) =>
  new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(moment));
const time = (moment: string) =>
  `${new Intl.DateTimeFormat('en', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' }).format(new Date(moment))} UTC`;

const providerNames = { stripe: 'Stripe', apple: 'the App Store', operator: 'our support', trial: 'our support' };
const howToUpdatePayment = {
  stripe: 'To update your payment method or try again, open the app, go to your account and choose “Manage payment”.',
  apple: 'To update your payment method, open Settings on your iPhone, tap your name, then “Payment & Shipping”.',
  operator: 'Please contact our support.',
  trial: 'Please contact our support.',
};

const ifNotYou = 'If this wasn’t you, sign out everywhere in the app and change your password.';

export const en: MessageCatalog = {
  messages: {
    welcome: (_, service) => ({
      subject: `Welcome to ${service}`,
      paragraphs: [
        'Your account is ready. Open the app to choose a plan and connect.',
        'Your privacy is built in. We know your e-mail address and your payments, but not where or when you connect, or what you do online. The part of our service that knows you never sees your connections, and the part that handles your connections never learns who you are.',
      ],
    }),
    email_verified: (_, service) => ({
      subject: 'Your e-mail address is verified',
      paragraphs: [
        `This address is now verified for your ${service} account. You can now choose a plan in the app.`,
        'We only use it for messages about your account, your payments and planned maintenance.',
      ],
    }),
    trial_ending: ({ until, renews }) => ({
      subject: `Your trial ends on ${day(until)}`,
      paragraphs: [
        `Your trial runs until ${time(until)}.`,
        renews
          ? 'After that, the subscription you chose starts and the first payment is charged. If you don’t want to continue, cancel the subscription before then.'
          : 'You will not be charged. To keep using the VPN, choose a plan in the app before then.',
      ],
    }),
    payment_failed: ({ plan, provider, until }) => ({
      subject: 'Update your payment method',
      paragraphs: [
        `The payment for your ${plan} plan through ${providerNames[provider]} failed.`,
        until === null
          ? 'Your access is paused until the payment goes through.'
          : `You keep your access until ${time(until)}. Please update your payment method before then.`,
        howToUpdatePayment[provider],
      ],
    }),
    grace_ending: ({ plan, provider, until }) => ({
      subject: `Your access ends on ${day(until)}`,
      paragraphs: [
        `We still haven’t received the payment for your ${plan} plan. Your access ends on ${time(until)}.`,
        howToUpdatePayment[provider],
      ],
    }),
    renewed: ({ plan, until }) => ({
      subject: 'Your subscription was renewed',
      paragraphs: [`Your ${plan} plan is paid until ${time(until)}. You don’t need to do anything.`],
    }),
    cancelled: ({ plan, until }) => ({
      subject: 'Your subscription is cancelled',
      paragraphs: [
        `Your ${plan} plan will not renew, and you will not be charged again. You keep your access until ${time(until)}.`,
        ifNotYou,
      ],
    }),
    expired: ({ plan, trial }) => ({
      subject: trial ? 'Your trial has ended' : 'Your subscription has ended',
      paragraphs: [
        trial ? 'Your trial has ended. You were not charged.' : `Your ${plan} plan has ended.`,
        'To connect again, choose a plan in the app.',
      ],
    }),
    refunded: ({ amount, currency, provider }) => ({
      subject: 'Your refund is on its way',
      paragraphs: [
        `You are getting ${money(amount, currency)} back through ${providerNames[provider]}. Your bank may take a few days to show it.`,
      ],
    }),
    plan_changed: ({ plan }) => ({
      subject: `Your plan is now ${plan}`,
      paragraphs: [`Your subscription is now on the ${plan} plan. The app shows what it includes.`, ifNotYou],
    }),
    sign_in_provider_added: ({ signIn }) => ({
      subject: 'New sign-in method added to your account',
      paragraphs: [
        `You can now sign in to your account with ${signIn}.`,
        'If this wasn’t you, sign out everywhere in the app, remove this sign-in method and change your password.',
      ],
    }),
    signed_out_everywhere: ({ byOperator }) => ({
      subject: 'You were signed out everywhere',
      paragraphs: [
        byOperator
          ? 'Our support signed your account out on all devices.'
          : 'Your account was signed out on all devices, as you requested.',
        'If you didn’t expect this, change your password now.',
      ],
    }),
    email_change_asked: () => ({
      subject: 'Request to change your e-mail address',
      paragraphs: [
        'We received a request to change the e-mail address of your account. We sent a link to the new address. Your address changes when that link is opened.',
        'If this was you, you don’t need to do anything here. If it wasn’t, someone else is signed in to your account: sign out everywhere in the app and change your password.',
      ],
    }),
    email_change_link: ({ link }, service) => ({
      subject: 'Confirm your new e-mail address',
      paragraphs: [
        `We received a request to use this e-mail address for a ${service} account.`,
        'If this was you, open the link below to confirm. You then need to sign in again on every device.',
        'If this wasn’t you, ignore this message. Nothing changes unless the link is opened.',
      ],
      link,
    }),
    account_deleted: ({ stillBilledBy }, service) => ({
      subject: 'Your account is deleted',
      paragraphs: [
        `Your ${service} account and your personal data are deleted. The law requires us to keep payment records; they no longer contain your name.`,
        ...(stillBilledBy.includes('apple')
          ? [
              'Apple continues to charge for your subscription, because only you can cancel it: open Settings on your iPhone, tap your name, then “Subscriptions”, and cancel it there.',
            ]
          : []),
        'This is the last message you get from us. We delete this e-mail address once the message is sent.',
      ],
    }),
    maintenance: ({ from, to, text }) => ({
      subject: `Maintenance on ${day(from)}`,
      paragraphs: [`We will be working on our service from ${time(from)} to ${time(to)}.`, text],
    }),
  },
  noLinks: 'We never ask for your password by e-mail, and we never send links to sign in or pay. Always use the app.',
  unsubscribe: 'Unsubscribe from messages like this:',
  mandatory: 'You receive this message because it concerns the security or payment of your account.',
};
