import { describe, expect, it } from 'vitest';
import { PaymentKind, SubscriptionEventKind } from '../prisma/identity/index.js';
import { describeHistoryEvent } from './history-texts.js';

describe('describeHistoryEvent', () => {
  it('has a different sentence for each kind of event', () => {
    const kinds = [...Object.values(PaymentKind), ...Object.values(SubscriptionEventKind)];
    const until = new Date('2030-03-01T12:00:00Z');
    const texts = kinds.map((kind) =>
      describeHistoryEvent({ kind, provider: 'apple', amount: 499, currency: 'eur', plan: 'Standard', until }),
    );
    expect(new Set(texts).size).toBe(kinds.length);
    for (const text of texts) expect(text).toMatch(/^[A-Z].*\.$/);
    for (const text of texts.slice(0, 4)) expect(text).toMatch(/€4\.99.*the App Store/);
    for (const text of texts.slice(4)) expect(text).toContain('Standard');
  });
});
