import { describe, expect, it } from 'vitest';
import { normalisedEmail, TrialGrants } from './trial-grant.js';

describe('normalisedEmail', () => {
  it.each([
    ['Ada@Example.COM', 'ada@example.com'],
    [' ada@example.com ', 'ada@example.com'],
    ['ada+vpn@example.com', 'ada@example.com'],
    ['ada+a+b@example.com', 'ada@example.com'],
    ['a.d.a+x@gmail.com', 'ada@gmail.com'],
    ['ada@GoogleMail.com', 'ada@gmail.com'],
    ['ａｄａ@example.com', 'ada@example.com'],
  ])('normalises %s to %s', (spelling, text) => expect(normalisedEmail(spelling)).toBe(text));

  it.each([
    ['a.da@example.com', 'ada@example.com'],
    ['ada@example.org', 'ada@example.com'],
    ['+tag@example.com', '+other@example.com'],
    ['ada@mygmail.com', 'a.da@mygmail.com'],
  ])('keeps %s and %s apart', (one, other) => expect(normalisedEmail(one)).not.toBe(normalisedEmail(other)));
});

describe('TrialGrants', () => {
  const grants = new TrialGrants(Buffer.alloc(32, 1));

  it('gives 32 bytes for the account and for the address, the same ones each time', () => {
    const hashes = grants.hashesOf('uid', 'ada@example.com');
    expect(hashes.map((hash) => hash.length)).toEqual([32, 32]);
    expect(grants.hashesOf('uid', 'ADA@example.com')).toEqual(hashes);
  });

  it('gives an account and an address with the same text different hashes', () => {
    const [account] = grants.hashesOf('ada@example.com', 'x@example.com');
    const [, address] = grants.hashesOf('uid', 'ada@example.com');
    expect(account.equals(address)).toBe(false);
  });

  it('gives other hashes under another key', () => {
    const others = new TrialGrants(Buffer.alloc(32, 2)).hashesOf('uid', 'ada@example.com');
    expect(grants.hashesOf('uid', 'ada@example.com')).not.toEqual(others);
  });
});
