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
  completePending,
  retireKeys,
  dropExpired,
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

const request = {
  id: 'attempt',
  privateKey: 'private',
  publicKey: 'public',
  locations: ['de-frankfurt', 'se-stockholm'] as const,
  now,
  heldUntil: now + 60_000,
  unusableKeyIds: [],
  failed: [],
};

function attempt(changes: Partial<Attempt> = {}): Attempt {
  const { id, privateKey, publicKey, locations } = request;
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

describe('the wallet state', () => {
  it('reads the key id of a token from its text', () => {
    expect(keyIdOfToken(token(7, now))).toBe(toBase64url(keyId(7)));
  });

  it('drops what has expired, and tokens that are about to expire', () => {
    const [good, soon, over] = [token(1, now + hour), token(1, now + 30_000), token(1, now - 1)];
    const connection = (id: string, at: number) =>
      ({ id, expiresAt: new Date(at).toISOString() }) as WalletState['connections'][number];
    const state = dropExpired(
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
    const [state, started] = beginAttempt(wallet({ tokens: [late, early] }), request);
    expect(started).toMatchObject({ token: early.token, publicKey: 'public', locations: ['de-frankfurt'] });
    expect(state).toMatchObject({ tokens: [late], attempts: [started] });
    expect(beginAttempt(wallet({ tokens: [] }), request)[1]).toBeUndefined();
  });

  it('continues an unfinished attempt with its own key pair before it takes another token', () => {
    const before = attempt({ publicKey: 'its own', locations: ['de-frankfurt', 'se-stockholm'] });
    const [state, started] = beginAttempt(wallet({ attempts: [before], tokens: [token(1, now + hour)] }), request);
    expect(started).toMatchObject({ id: before.id, token: before.token, publicKey: 'its own' });
    expect(started?.locations).toEqual(['de-frankfurt', 'se-stockholm']);
    expect([state.tokens.length, state.attempts]).toEqual([1, [started]]);
  });

  it('does not continue an attempt that another process holds', () => {
    const held = attempt({ heldUntil: now + 1 });
    expect(beginAttempt(wallet({ attempts: [held] }), request)[1]).toBeUndefined();
  });

  it('continues an attempt at its last location, if that is acceptable', () => {
    const locationAfter = (...locations: string[]) =>
      beginAttempt(wallet({ attempts: [attempt({ locations })] }), request)[1]?.locations.at(-1);
    expect(locationAfter('de-frankfurt', 'se-stockholm')).toBe('se-stockholm');
    expect(locationAfter('se-stockholm', 'nl-amsterdam')).toBe('se-stockholm');
    expect(locationAfter('nl-amsterdam')).toBe('de-frankfurt');
  });

  it('uses no token of an unusable key', () => {
    const state = wallet({ tokens: [token(1, now + hour), token(2, now + 2 * hour)], attempts: [attempt()] });
    const [, started] = beginAttempt(state, { ...request, unusableKeyIds: [toBase64url(keyId(1))] });
    expect(keyIdOfToken(started!)).toBe(toBase64url(keyId(2)));
  });

  it('drops the tokens of a retired key, and marks the key as retired', () => {
    const [retired, other] = [1, 2].map((byte) => ({
      keyId: toBase64url(keyId(byte)),
      notBefore: 0,
      verifyUntil: now,
    }));
    const state = wallet({
      seen: [retired!, other!],
      pending: [pending(1, now + hour), pending(2, now + hour)],
      tokens: [token(1, now + hour), token(2, now + 2 * hour)],
      attempts: [attempt()],
    });
    expect(retireKeys(state, [retired!.keyId])).toMatchObject({
      seen: [{ ...retired, retired: true }, other],
      pending: [state.pending[1]],
      tokens: [state.tokens[1]],
      attempts: [],
    });
  });

  it('uses unused tokens before an attempt that keeps failing, and that attempt before it runs out of tokens', () => {
    const [bad, fresh] = [attempt({ id: 'bad', failures: 3 }), token(1, now + hour)];
    const begin = (changes: Partial<WalletState>, failed: string[] = []) =>
      beginAttempt(wallet({ attempts: [bad], ...changes }), { ...request, failed })[1];
    expect(begin({ tokens: [fresh] })).toMatchObject({ id: 'attempt', token: fresh.token });
    expect(begin({})).toMatchObject({ id: 'bad' });
    expect(begin({}, ['bad'])).toBeUndefined();
    expect(begin({ attempts: [bad, attempt({ id: 'good', failures: 2 })], tokens: [fresh] })).toMatchObject({
      id: 'good',
    });
  });

  it('adds the tokens of a batch once, however often the batch is completed', () => {
    const start = wallet({ pending: [pending(1, now + hour)] });
    const tokens = [token(1, now + hour)];
    const once = completePending(start, 'batch 1', tokens);
    expect(completePending(once, 'batch 1', tokens)).toBe(once);
    expect([once.tokens, once.pending]).toEqual([tokens, []]);
  });

  it('drops an attempt', () => {
    const one = attempt();
    expect(dropAttempt(wallet({ attempts: [one] }), one).attempts).toEqual([]);
  });
});

describe('parseWallet', () => {
  it('reads the text of a wallet that was stored', () => {
    const state = wallet({ tokens: [token(1, now)], plannedPrefetch: { day: 21_917, at: now, late: true } });
    expect(parseWallet(JSON.stringify(state))).toEqual(state);
  });

  it('reads the text of a wallet that version 1 has stored', () => {
    const key = { keyId: 'k', notBefore: 1, verifyUntil: 3 };
    const stored = {
      seen: [{ ...key, retired: true }],
      pending: [{ id: 'b', kind: 'extra', key: { ...key, spki: 's', notAfter: 2 }, tokens: [{ token: 't' }] }],
      tokens: [token(1, now)],
      attempts: [attempt()],
      connections: [{ id: 'c', location: 'de-frankfurt' }],
    };
    // The text has this form: {"version":1,"seen":[…],"pending":[…],"tokens":[…],"attempts":[…],"connections":[…],"draw":{…}}
    const text = JSON.stringify({ version: 1, ...stored, draw: { day: 21_917, at: now, late: true } });
    expect(parseWallet(text)).toEqual({
      version: 2,
      ...stored,
      plannedPrefetch: { day: 21_917, at: now, late: true },
    });
    expect(parseWallet(JSON.stringify({ version: 1, ...stored }))).toEqual({ version: 2, ...stored });
  });

  it.each(['', '{', '[]', '7', 'null', '{"version":3}', '{"version":1,"tokens":{}}', '{"version":2,"tokens":{}}'])(
    'refuses the text %j',
    (text) => {
      expect(() => parseWallet(text)).toThrow(expect.objectContaining({ name: 'WalletError', code: 'unreadable' }));
    },
  );
});
