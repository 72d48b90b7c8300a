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

describe('the kinds', () => {
  it('are a closed list: whoever adds one must come here and say that it is of the gatekeeper’s', () => {
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

  it('know so many payload and no more', () => {
    const payload = new Set(kinds.flatMap((kind) => Object.keys(payloadSchemas[kind].shape)));
    expect([...payload].sort()).toEqual([
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

  it('share no fact with what the anonymizer keeps', () => {
    const network = readFileSync('prisma/network/schema.prisma', 'utf8');
    // Fields of models, not of the generator.
    const columns = new Set([...network.matchAll(/^ {2}(\w+) +[A-Z]/gm)].map(([, name]) => name));
    expect(columns.size).toBeGreaterThan(20);
    const payload = kinds.flatMap((kind) => Object.keys(payloadSchemas[kind].shape));
    expect(payload.filter((fact) => columns.has(fact))).toEqual([]);
  });

  it.each(kinds)('%s refuses what it does not know: nobody can make it speak of a connection', (kind) => {
    for (const stowaway of ['location', 'ip', 'node', 'connectedAt', 'device']) {
      const payload = { ...samplePayloads[kind], [stowaway]: 'de-frankfurt' };
      expect(() => messageOf(kind, payload, 'en', service)).toThrow(z.ZodError);
    }
  });
});

describe('every mail', () => {
  it.each(everyMail)('$kind says the same as text and as HTML, and never where somebody connected', (mail) => {
    const { paragraphs, subject } = messageOf(mail.kind, samplePayloads[mail.kind], 'en', service);
    const shown = mail.html.replace(/&amp;/g, '&').replace(/&quot;/g, '"');
    for (const words of [subject, ...paragraphs]) expect(shown).toContain(words);
    for (const words of paragraphs) expect(mail.text).toContain(words);
    expect(mail.subject).toBe(subject);
    expect(mail.subject).toMatch(/^[^\r\n]{5,70}$/);
    expect(mail.text).not.toMatch(
      /connected (from|to)|your (location|IP|device)s?\b|last (seen|used)|undefined|NaN|Invalid/i,
    );
  });

  it.each(everyMail)('$kind loads nothing, runs nothing, and leads nowhere but to prove an address', (mail) => {
    expect(mail.html).not.toMatch(/<(img|script|link|iframe|form|object)\b|url\(|@import/i);
    const links = [...mail.html.matchAll(/href="([^"]*)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&'));
    const texts = [...mail.text.matchAll(/http\S*/g)].map(([link]) => link);
    const allowed = mail.kind === 'email_change_link' ? [samplePayloads.email_change_link.link] : [];
    expect([links, texts]).toEqual([allowed, allowed]);
  });

  it.each(['javascript:alert(1)', 'data:text/html,x', 'ftp://vpn.example', 'x'])('links to no %s', (link) => {
    expect(() => messageOf('email_change_link', { link }, 'en', service)).toThrow(z.ZodError);
  });

  it('shows what it is given as words, whatever it is', () => {
    const text = '<script>alert("1")</script> & <img src=x>';
    const { html } = renderMail(
      'maintenance',
      { ...samplePayloads.maintenance, text },
      { locale: 'en', service: '<b>' },
    );
    expect(html).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &lt;img src=x&gt;');
    expect(html).not.toMatch(/<script|<img|<b>/);
  });

  it('that can be turned off says how, and the others why not', () => {
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
    expect(everyMail[0]?.text).toContain('safety or the payment');
  });
});
