import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { locales, optionalKinds } from '../preferences/index.js';
import { messageOf } from './message-catalog/index.js';
import { payloadSchemas, kinds, samplePayloads } from './kinds.js';
import { renderMail } from './mail.js';

const service = 'Example VPN';
const everyMail = kinds.flatMap((kind) =>
  locales.map((locale) => ({ kind, ...renderMail(kind, samplePayloads[kind], { locale, service }) })),
);

describe('kinds', () => {
  it('is a closed list, so that a new kind must be added here and reviewed', () => {
    expect([...kinds].sort()).toEqual([
      'account_deleted',
      'cancelled',
      'email_change_asked',
      'email_change_link',
      'email_verified',
      'expired',
      'grace_ending',
      'maintenance',
      'payment_failed',
      'plan_changed',
      'refunded',
      'renewed',
      'sign_in_provider_added',
      'signed_out_everywhere',
      'trial_ending',
      'welcome',
    ]);
  });

  it('has a closed list of payload fields', () => {
    const fields = new Set(kinds.flatMap((kind) => Object.keys(payloadSchemas[kind].shape)));
    expect([...fields].sort()).toEqual([
      'amount',
      'byOperator',
      'currency',
      'from',
      'link',
      'plan',
      'provider',
      'renews',
      'signIn',
      'stillBilledBy',
      'text',
      'to',
      'trial',
      'until',
    ]);
  });

  it('shares no payload field with the columns of the anonymizer’s database', () => {
    const network = readFileSync('prisma/network/schema.prisma', 'utf8');
    // Only the fields of models, not those of the generator.
    const columns = new Set([...network.matchAll(/^ {2}(\w+) +[A-Z]/gm)].map(([, name]) => name));
    expect(columns.size).toBeGreaterThan(20);
    const fields = kinds.flatMap((kind) => Object.keys(payloadSchemas[kind].shape));
    expect(fields.filter((field) => columns.has(field))).toEqual([]);
  });

  it.each(kinds)('refuses unknown payload fields of %s, so that no message can mention a connection', (kind) => {
    for (const unknown of ['location', 'ip', 'node', 'connectedAt', 'device']) {
      const payload = { ...samplePayloads[kind], [unknown]: 'de-frankfurt' };
      expect(() => messageOf(kind, payload, 'en', service)).toThrow(z.ZodError);
    }
  });
});

describe('renderMail', () => {
  it.each(everyMail)('renders $kind with the same content as text and as HTML, and mentions no connection', (mail) => {
    const { paragraphs, subject } = messageOf(mail.kind, samplePayloads[mail.kind], 'en', service);
    const shown = mail.html.replace(/&amp;/g, '&').replace(/&quot;/g, '"');
    for (const part of [subject, ...paragraphs]) expect(shown).toContain(part);
    for (const paragraph of paragraphs) expect(mail.text).toContain(paragraph);
    expect(mail.subject).toBe(subject);
    expect(mail.subject).toMatch(/^[^\r\n]{5,70}$/);
    expect(mail.text).not.toMatch(
      /connected (from|to)|your (location|IP|device)s?\b|last (seen|used)|undefined|\bNaN\b|Invalid/i,
    );
  });

  it.each(everyMail)(
    'renders $kind without external content, scripts, or links except to verify an address',
    (mail) => {
      expect(mail.html).not.toMatch(/<(img|script|link|iframe|form|object)\b|url\(|@import/i);
      const links = [...mail.html.matchAll(/href="([^"]*)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&'));
      const texts = [...mail.text.matchAll(/http\S*/g)].map(([link]) => link);
      const allowed = mail.kind === 'email_change_link' ? [samplePayloads.email_change_link.link] : [];
      expect([links, texts]).toEqual([allowed, allowed]);
    },
  );

  it.each(['javascript:alert(1)', 'data:text/html,x', 'ftp://vpn.example', 'x'])('refuses the link %s', (link) => {
    expect(() => messageOf('email_change_link', { link }, 'en', service)).toThrow(z.ZodError);
  });

  it('escapes HTML in texts', () => {
    const text = '<script>alert("1")</script> & <img src=x>';
    const { html } = renderMail(
      'maintenance',
      { ...samplePayloads.maintenance, text },
      { locale: 'en', service: '<b>' },
    );
    expect(html).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &lt;img src=x&gt;');
    expect(html).not.toMatch(/<script|<img|<b>/);
  });

  it('adds an unsubscribe link to optional mails, and an explanation to all others', () => {
    const unsubscribeUrl = 'https://id.vpn.example/notifications/unsubscribe/abc';
    const optional = renderMail(optionalKinds[1], samplePayloads.trial_ending, {
      locale: 'en',
      service,
      unsubscribeUrl,
    });
    expect([optional.text.includes(unsubscribeUrl), optional.html.includes(`href="${unsubscribeUrl}"`)]).toEqual([
      true,
      true,
    ]);
    expect(everyMail[0]?.text).toContain('concerns the security or payment of your account');
  });
});
