import { describe, expect, it } from 'vitest';
import { toBase64url } from '../bytes.js';
import { buildTokenInput } from '../token.js';
import {
  type Attempt,
  beginAttempt,
  dropAttempt,
  emptyWallet,
  keyIdOfToken,
  parseWallet,
  type PendingBatch,
  settlePending,
  retireKeys,
  tidy,
  type WalletState,
} from './state.js';

const now = Date.parse('2030-01-02T12:00:00Z');
const hour = 3_600_000;
const keyId = (byte: number) => new Uint8Array(32).fill(byte);
let nonces = 0;

function token(key: number, expiresAt: number) {
  const nonce = new Uint8Array(32).fill(++nonces);
  const text = toBase64url(buildTokenInput(nonce, new Uint8Array(32), keyId(key)));
  return { token: text, signature: 's', expiresAt: new Date(expiresAt).toISOString() };
}

const wanted = {
  id: 'attempt',
  privateKey: 'private',
  publicKey: 'public',
  locations: ['de-frankfurt', 'se-stockholm'] as const,
  now,
  heldUntil: now + 60_000,
  shunned: [],
  failed: [],
};

function attempt(changes: Partial<Attempt> = {}): Attempt {
  const { id, privateKey, publicKey, locations } = wanted;
  const base = { ...token(1, now + 20 * hour), privateKey, publicKey, locations: [locations[0]], heldUntil: 0 };
  return { ...base, id: `${id} before`, ...changes };
}

function wallet(changes: Partial<WalletState>): WalletState {
  return { ...emptyWallet, ...changes };
}

function pending(key: number, notAfter: number): PendingBatch {
  const times = { notBefore: 0, notAfter: notAfter / 1000, verifyUntil: notAfter / 1000 + 86_400 };
  return { id: `batch ${key}`, kind: 'daily', key: { keyId: toBase64url(keyId(key)), spki: '', ...times }, tokens: [] };
}

describe('a wallet', () => {
  it('reads the key of a token from its text', () => {
    expect(keyIdOfToken(token(7, now))).toBe(toBase64url(keyId(7)));
  });

  it('drops what has expired, and a token that is about to', () => {
    const [good, soon, over] = [token(1, now + hour), token(1, now + 30_000), token(1, now - 1)];
    const connection = (id: string, at: number) =>
      ({ id, expiresAt: new Date(at).toISOString() }) as WalletState['connections'][number];
    const state = tidy(
      wallet({
        tokens: [good, soon, over],
        attempts: [attempt({ id: 'good' }), attempt({ id: 'over', expiresAt: over.expiresAt })],
        connections: [connection('live', now + 1), connection('over', now)],
        pending: [pending(1, now + 1000), pending(2, now - 1000)],
        seen: [{ keyId: 'over', notBefore: 0, verifyUntil: now / 1000 }],
      }),
      now,
    );
    expect(state.tokens).toEqual([good]);
    expect(state.attempts.map(({ id }) => id)).toEqual(['good']);
    expect(state.connections.map(({ id }) => id)).toEqual(['live']);
    expect(state.pending.map(({ id }) => id)).toEqual(['batch 1']);
    expect(state.seen).toEqual([]);
  });

  it('spends the oldest token first', () => {
    const [late, early] = [token(2, now + 40 * hour), token(1, now + 20 * hour)];
    const [state, begun] = beginAttempt(wallet({ tokens: [late, early] }), wanted);
    expect(begun).toMatchObject({ token: early.token, publicKey: 'public', locations: ['de-frankfurt'] });
    expect(state).toMatchObject({ tokens: [late], attempts: [begun] });
    expect(beginAttempt(wallet({ tokens: [] }), wanted)[1]).toBeUndefined();
  });

  it('begins with an attempt that was given up, with its own key, before it takes another token', () => {
    const before = attempt({ publicKey: 'its own', locations: ['de-frankfurt', 'se-stockholm'] });
    const [state, begun] = beginAttempt(wallet({ attempts: [before], tokens: [token(1, now + hour)] }), wanted);
    expect(begun).toMatchObject({ id: before.id, token: before.token, publicKey: 'its own' });
    expect(begun?.locations).toEqual(['de-frankfurt', 'se-stockholm']);
    expect([state.tokens.length, state.attempts]).toEqual([1, [begun]]);
  });

  it('leaves an attempt that another process holds', () => {
    const held = attempt({ heldUntil: now + 1 });
    expect(beginAttempt(wallet({ attempts: [held] }), wanted)[1]).toBeUndefined();
  });

  it('goes on with what was begun where it was last tried, when that will do', () => {
    const there = (...locations: string[]) =>
      beginAttempt(wallet({ attempts: [attempt({ locations })] }), wanted)[1]?.locations.at(-1);
    expect(there('de-frankfurt', 'se-stockholm')).toBe('se-stockholm');
    expect(there('se-stockholm', 'nl-amsterdam')).toBe('se-stockholm');
    expect(there('nl-amsterdam')).toBe('de-frankfurt');
  });

  it('touches no token of a shunned key', () => {
    const state = wallet({ tokens: [token(1, now + hour), token(2, now + 2 * hour)], attempts: [attempt()] });
    const [, begun] = beginAttempt(state, { ...wanted, shunned: [toBase64url(keyId(1))] });
    expect(keyIdOfToken(begun!)).toBe(toBase64url(keyId(2)));
  });

  it('forgets the tokens of a retired key, and remembers that it was', () => {
    const [ended, other] = [1, 2].map((byte) => ({ keyId: toBase64url(keyId(byte)), notBefore: 0, verifyUntil: now }));
    const state = wallet({
      seen: [ended!, other!],
      pending: [pending(1, now + hour), pending(2, now + hour)],
      tokens: [token(1, now + hour), token(2, now + 2 * hour)],
      attempts: [attempt()],
    });
    expect(retireKeys(state, [ended!.keyId])).toMatchObject({
      seen: [{ ...ended, retired: true }, other],
      pending: [state.pending[1]],
      tokens: [state.tokens[1]],
      attempts: [],
    });
  });

  it('lets an attempt that keeps failing wait for no fresh token, and tries it again before it is without any', () => {
    const [bad, fresh] = [attempt({ id: 'bad', failures: 3 }), token(1, now + hour)];
    const begin = (changes: Partial<WalletState>, failed: string[] = []) =>
      beginAttempt(wallet({ attempts: [bad], ...changes }), { ...wanted, failed })[1];
    expect(begin({ tokens: [fresh] })).toMatchObject({ id: 'attempt', token: fresh.token });
    expect(begin({})).toMatchObject({ id: 'bad' });
    expect(begin({}, ['bad'])).toBeUndefined();
    expect(begin({ attempts: [bad, attempt({ id: 'good', failures: 2 })], tokens: [fresh] })).toMatchObject({
      id: 'good',
    });
  });

  it('takes the tokens of a batch once, however often it is finished', () => {
    const start = wallet({ pending: [pending(1, now + hour)] });
    const tokens = [token(1, now + hour)];
    const once = settlePending(start, 'batch 1', tokens);
    expect(settlePending(once, 'batch 1', tokens)).toBe(once);
    expect([once.tokens, once.pending]).toEqual([tokens, []]);
  });

  it('does not bring back an attempt that was dropped', () => {
    const one = attempt();
    expect(dropAttempt(wallet({ attempts: [one] }), one).attempts).toEqual([]);
  });

  it.each(['', '{', '[]', '7', 'null', '{"version":2}', '{"version":1,"tokens":{}}'])(
    'refuses to be read from %j',
    (text) => {
      expect(() => parseWallet(text)).toThrow(expect.objectContaining({ name: 'WalletError', code: 'unreadable' }));
    },
  );
});
