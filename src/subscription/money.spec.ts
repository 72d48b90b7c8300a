import { describe, expect, it } from 'vitest';
import { money } from './money.js';

describe('money', () => {
  it.each([
    [499, 'eur', '€4.99'],
    [500, 'jpy', '¥500'],
    [12_345, 'usd', '$123.45'],
    [1_500, 'kwd', 'KWD 1.500'],
    [0, 'eur', '€0.00'],
    [99_900, 'isk', 'ISK 999'],
    [350_000, 'UGX', 'UGX 3,500'],
    [2_000, 'mga', 'MGA 2,000'],
  ])('formats %d minor units of %s as %s', (amount, currency, text) => {
    expect(money(amount, currency).replaceAll('\u00a0', ' ')).toBe(text);
  });
});
