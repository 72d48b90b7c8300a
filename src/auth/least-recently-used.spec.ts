import { expect, it } from 'vitest';
import { LeastRecentlyUsed } from './least-recently-used.js';

it('never holds more than it may, and lets go what was longest not used', () => {
  const entries = new LeastRecentlyUsed<string, number>(2);
  entries.set('a', 1);
  entries.set('b', 2);
  entries.get('a');
  entries.set('c', 3);
  expect([entries.get('a'), entries.get('b'), entries.get('c')]).toEqual([1, undefined, 3]);
});

it('writing again is a use, and takes no more room', () => {
  const entries = new LeastRecentlyUsed<string, number>(2);
  entries.set('a', 1);
  entries.set('b', 2);
  entries.set('a', 4);
  entries.set('c', 3);
  expect([entries.get('a'), entries.get('b'), entries.get('c')]).toEqual([4, undefined, 3]);
});

it('forgets what is deleted', () => {
  const entries = new LeastRecentlyUsed<string, number>(2);
  entries.set('a', 1);
  entries.delete('a');
  expect(entries.get('a')).toBeUndefined();
});
