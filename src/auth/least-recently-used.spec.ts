import { describe, expect, it } from 'vitest';
import { LeastRecentlyUsed } from './least-recently-used.js';

describe('LeastRecentlyUsed', () => {
  it('evicts the least recently used entry when it is full', () => {
    const entries = new LeastRecentlyUsed<string, number>(2);
    entries.set('a', 1);
    entries.set('b', 2);
    entries.get('a');
    entries.set('c', 3);
    expect([entries.get('a'), entries.get('b'), entries.get('c')]).toEqual([1, undefined, 3]);
  });

  it('counts overwriting an entry as a use that takes no more room', () => {
    const entries = new LeastRecentlyUsed<string, number>(2);
    entries.set('a', 1);
    entries.set('b', 2);
    entries.set('a', 4);
    entries.set('c', 3);
    expect([entries.get('a'), entries.get('b'), entries.get('c')]).toEqual([4, undefined, 3]);
  });

  it('removes deleted entries', () => {
    const entries = new LeastRecentlyUsed<string, number>(2);
    entries.set('a', 1);
    entries.delete('a');
    expect(entries.get('a')).toBeUndefined();
  });
});
