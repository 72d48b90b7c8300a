import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { anonymizerShape, commonShape, gatekeeperShape } from '../../src/platform/config/config.schema.js';

interface Setting {
  readonly key: string;
  readonly value: string;
  readonly isDefault: boolean;
  readonly comment: string;
}

/** Each setting with the nearest comment above it. */
function settings(): Setting[] {
  let comment = '';
  return readFileSync('.env.example', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const setting = /^(# )?([A-Z_0-9]+)=(.*)$/.exec(line);
      if (setting?.[2] === undefined) {
        comment = line.replace(/^#? ?/, '');
        return [];
      }
      return [{ key: setting[2], value: setting[3] ?? '', isDefault: setting[1] !== undefined, comment }];
    });
}

describe('.env.example', () => {
  it('has every setting that the service reads once, and no other', () => {
    const keys = Object.keys({ ...commonShape, ...gatekeeperShape, ...anonymizerShape });
    expect(
      settings()
        .map(({ key }) => key)
        .sort(),
    ).toEqual(keys.sort());
  });

  it('explains each setting', () => {
    expect(settings().filter(({ comment }) => comment.length < 15)).toEqual([]);
  });

  it('shows the default of each setting that has one', () => {
    const shapes = { ...commonShape, ...gatekeeperShape, ...anonymizerShape };
    for (const { key, value, isDefault } of settings()) {
      const fallback = shapes[key as keyof typeof shapes].safeParse(undefined);
      const isScalar = typeof fallback.data === 'string' || typeof fallback.data === 'number';
      if (isDefault && isScalar) expect([key, value]).toEqual([key, String(fallback.data)]);
    }
  });
});
