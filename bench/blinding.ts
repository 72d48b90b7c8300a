import { RSABSSA } from '@cloudflare/blindrsa-ts';
import { invert, pow } from '@noble/curves/abstract/modular.js';
import {
  blind,
  blindBatch,
  buildTokenChallenge,
  challengeDigestOf,
  finalize,
  parseTokenKey,
} from '@vpn-backend/client';

/*
 * Measures how long a client takes to blind a token and to finalize its signature, with several implementations. Runs in Node
 * and in browsers. `sign` replaces the issuer.
 */

export interface BlindingTime {
  readonly name: string;
  /** Milliseconds per token. */
  readonly blind: number;
  readonly finalize: number;
}

export interface Issuer {
  /** 342 bytes of DER. */
  readonly spki: Uint8Array<ArrayBuffer>;
  sign(blinded: Uint8Array): Promise<Uint8Array>;
}

interface Candidate {
  readonly name: string;
  /** Tokens per run. */
  readonly tokens: number;
  /** Prepares one implementation of blinding and finalizing. */
  readonly prepare: () => Promise<Prepared>;
}

interface Prepared {
  readonly blind: () => Promise<Blinded[]>;
}

interface Blinded {
  readonly message: Uint8Array;
  readonly finalize: (blindSignature: Uint8Array) => Promise<Uint8Array>;
}

const batch = 8;

/** @param budgetMs measuring time for each candidate's blinding, and again for its finalizing */
export async function measureBlinding(issuer: Issuer, budgetMs: number): Promise<BlindingTime[]> {
  const times: BlindingTime[] = [];
  for (const candidate of candidates(issuer)) times.push(await measure(candidate, issuer, budgetMs));
  return times;
}

async function measure({ name, tokens, prepare }: Candidate, issuer: Issuer, budgetMs: number): Promise<BlindingTime> {
  const { blind: run } = await prepare();
  const blindMs = await fastestMs(run, budgetMs);
  const blinded = await run();
  const signed = await Promise.all(blinded.map(({ message }) => issuer.sign(message)));
  const finalizeMs = await fastestMs(
    () => Promise.all(blinded.map((token, index) => token.finalize(signed[index] ?? new Uint8Array()))),
    budgetMs,
  );
  return { name, blind: blindMs / tokens, finalize: finalizeMs / tokens };
}

function candidates({ spki }: Issuer): Candidate[] {
  const key = () => parseTokenKey(spki);
  const digest = challengeDigestOf(buildTokenChallenge({ issuerName: 'issuer.example', originInfo: 'vpn.example' }));
  const ours = (name: string, tokens: number): Candidate => ({
    name,
    tokens,
    prepare: async () => {
      const [tokenKey, challengeDigest] = [await key(), await digest];
      const one = async () => [await blind(tokenKey, challengeDigest)];
      const several = () => blindBatch(tokenKey, challengeDigest, tokens);
      return {
        blind: async () =>
          (await (tokens === 1 ? one() : several())).map((token) => ({
            message: token.blindedToken,
            finalize: (signature) => finalize(token, signature),
          })),
      };
    },
  });
  return [
    ours('this SDK: BigInt and WebCrypto', 1),
    ours(`this SDK, ${batch} at once`, batch),
    { name: 'noble: its modular arithmetic, WebCrypto', tokens: 1, prepare: () => noble(key()) },
    { name: '@cloudflare/blindrsa-ts', tokens: 1, prepare: () => blindrsa(key()) },
  ];
}

type Key = ReturnType<typeof parseTokenKey>;

const pss = { name: 'RSA-PSS', hash: 'SHA-384' };

async function publicKeyOf(key: Key): Promise<CryptoKey> {
  const jwk = { kty: 'RSA', n: base64url((await key).spki.slice(81, 337)), e: 'AQAB' };
  return crypto.subtle.importKey('jwk', jwk, pss, true, ['verify']);
}

async function blindrsa(key: Key): Promise<Prepared> {
  const [suite, publicKey] = [RSABSSA.SHA384.PSS.Deterministic(), await publicKeyOf(key)];
  return {
    blind: async () => {
      const message = crypto.getRandomValues(new Uint8Array(98));
      const { blindedMsg, inv } = await suite.blind(publicKey, message);
      return [{ message: blindedMsg, finalize: (signature) => suite.finalize(publicKey, message, signature, inv) }];
    },
  };
}

/**
 * RFC 9474 §4.2 and §4.4 with noble's `pow` and `invert`; noble has no RSA. Like ours, it inverts once: if m·r has an inverse, m
 * has one too (§4.2, step 4).
 */
async function noble(key: Key): Promise<Prepared> {
  const [{ n, e }, publicKey] = [await key, await publicKeyOf(key)];
  const sha384 = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest('SHA-384', bytes));
  const encode = async (message: Uint8Array<ArrayBuffer>) => {
    const salt = crypto.getRandomValues(new Uint8Array(48));
    const h = await sha384(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, ...(await sha384(message)), ...salt));
    const db = new Uint8Array(207);
    db.set(Uint8Array.of(1, ...salt), 207 - 49);
    const masks = await Promise.all([0, 1, 2, 3, 4].map((counter) => sha384(Uint8Array.of(...h, 0, 0, 0, counter))));
    const masked = db.map((byte, index) => byte ^ (masks[Math.floor(index / 48)]?.[index % 48] ?? 0));
    masked[0] = (masked[0] ?? 0) & 0x7f;
    return number(Uint8Array.of(...masked, ...h, 0xbc));
  };
  return {
    blind: async () => {
      const message = crypto.getRandomValues(new Uint8Array(98));
      const m = await encode(message);
      const r = number(crypto.getRandomValues(new Uint8Array(255)));
      const inverse = (invert((m * r) % n, n) * m) % n;
      const finalizeOne = async (signed: Uint8Array) => {
        const signature = bytes((number(signed) * inverse) % n);
        const good = await crypto.subtle.verify({ ...pss, saltLength: 48 }, publicKey, signature, message);
        if (!good) throw new Error('the signature is invalid');
        return signature;
      };
      return [{ message: bytes((m * pow(r, e, n)) % n), finalize: finalizeOne }];
    },
  };
}

/** A sample must be long enough for browsers' clocks, which have a resolution of a tenth of a millisecond. */
const minSampleMs = 5;

/** The fastest of many samples, because other work on the machine only makes a sample slower. */
async function fastestMs(run: () => Promise<unknown>, budgetMs: number): Promise<number> {
  // The first runs are slower, because the code is not compiled yet.
  await sampleMs(run, 10);
  const rounds = Math.ceil(minSampleMs / Math.max(await sampleMs(run, 10), 0.01));
  const times: number[] = [];
  for (const end = performance.now() + budgetMs; times.length < 20 || performance.now() < end;) {
    times.push(await sampleMs(run, rounds));
  }
  return Math.min(...times);
}

async function sampleMs(run: () => Promise<unknown>, rounds: number): Promise<number> {
  const begin = performance.now();
  for (let round = 0; round < rounds; round++) await run();
  return (performance.now() - begin) / rounds;
}

function number(value: Uint8Array): bigint {
  return BigInt(`0x${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`);
}

function bytes(value: bigint): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(value.toString(16).padStart(512, '0').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function base64url(value: Uint8Array): string {
  return btoa(String.fromCharCode(...value))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
