import { describe, expect, it } from 'vitest';
import { IdentifierIndex } from './identifiers.js';

const bytes = Buffer.from('00fbff10ab7f3d42e1905c6477889900aabbccddeeff0011223344556677fbff', 'hex');
const id = '3f2504e0-4f89-81d3-9a0c-0305e82c3301';
const index = new IdentifierIndex({
  user: new Map([
    ['anna@example.org', 'anna'],
    ['uKd83hGfq0ZbPs7xLm2NvT41RcE2', 'anna'],
    ['fK3-_9dQ2mZ8sB_x-0aLpQ', 'ben'],
  ]),
  connection: new Map([
    [bytes.toString('base64url'), 'one'],
    [id, 'two'],
  ]),
});

const found = (text: string) => [...index.find(text)].map((entity) => entity.id);

describe('IdentifierIndex', () => {
  it.each([
    ['mail to Anna@Example.org, sent', ['anna']],
    ['{"uid":"uKd83hGfq0ZbPs7xLm2NvT41RcE2"}', ['anna']],
    ['user=uKd83hGfq0ZbPs7xLm2NvT41RcE2;', ['anna']],
    ['sessions/uKd83hGfq0ZbPs7xLm2NvT41RcE2/open.', ['anna']],
    ['limit_uKd83hGfq0ZbPs7xLm2NvT41RcE2_x', ['anna']],
    ['anna%40example.org', ['anna']],
    ['gk:limit:user:fK3-_9dQ2mZ8sB_x-0aLpQ', ['ben']],
    [`\\x${bytes.toString('hex')}`, ['one']],
    [`{"\\\\x${bytes.toString('hex').toUpperCase()}"}`, ['one']],
    [`key ${bytes.toString('base64')}!`, ['one']],
    [`connection_${id}`, ['two']],
    [`0x${id.replaceAll('-', '')}`, ['two']],
    [`anna@example.org ${id}`, ['anna', 'two']],
  ])('finds in %j: %j', (text, ids) => {
    expect(found(text)).toEqual(ids);
  });

  it.each(['joanna@example.org', 'uKd83hGfq0ZbPs7xLm2NvT41RcE', `${bytes.toString('hex')}00`, 'constructor __proto__'])(
    'finds nothing in %j',
    (text) => {
      expect(found(text)).toEqual([]);
    },
  );

  it('names several entities if an identifier is theirs', () => {
    const shared = new IdentifierIndex({ user: new Map([['shared-name', 'a']]), connection: new Map() });
    shared.learn('shared-name', shared.entity('user', 'b'));
    expect([...shared.find('shared-name')].map((entity) => entity.id)).toEqual(['a', 'b']);
  });
});
