import { describe, expect, it } from 'vitest';
import { normalisedEmail, TrialGrants } from './trial-grant.js';

describe('one mailbox is one text', () => {
  it.each([
    ['Ada@Example.COM', 'ada@example.com'],
    [' ada@example.com ', 'ada@example.com'],
    ['ada+vpn@example.com', 'ada@example.com'],
    ['ada+a+b@example.com', 'ada@example.com'],
    ['a.d.a+x@gmail.com', 'ada@gmail.com'],
    ['ada@GoogleMail.com', 'ada@gmail.com'],
    ['ａｄａ@example.com', 'ada@example.com'],
  ])('%s', (spelling, text) => expect(normalisedEmail(spelling)).toBe(text));
});

describe('another mailbox is another text', () => {
  it.each([
    ['a.da@example.com', 'ada@example.com'],
    ['ada@example.org', 'ada@example.com'],
    ['+tag@example.com', '+other@example.com'],
    ['ada@mygmail.com', 'a.da@mygmail.com'],
  ])('%s is not %s', (one, other) => expect(normalisedEmail(one)).not.toBe(normalisedEmail(other)));
});

describe('what is remembered', () => {
  const grants = new TrialGrants(Buffer.alloc(32, 1));

  it('is 32 bytes each, and the same for the same person', () => {
    const hashes = grants.hashesOf('uid', 'ada@example.com');
    expect(hashes.map((hash) => hash.length)).toEqual([32, 32]);
    expect(grants.hashesOf('uid', 'ADA@example.com')).toEqual(hashes);
  });

  it('never takes an account for an address', () => {
    const [account] = grants.hashesOf('ada@example.com', 'x@example.com');
    const [, address] = grants.hashesOf('uid', 'ada@example.com');
    expect(account.equals(address)).toBe(false);
  });

  it('cannot be recomputed without the key', () => {
    const others = new TrialGrants(Buffer.alloc(32, 2)).hashesOf('uid', 'ada@example.com');
    expect(grants.hashesOf('uid', 'ada@example.com')).not.toEqual(others);
  });
});
