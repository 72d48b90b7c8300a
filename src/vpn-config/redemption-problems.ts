import { AppError } from '../platform/errors/index.js';

/** Every reason to refuse a token, each with what to do about it. A code that ends the token says so. */

type Headers = Readonly<Record<string, string>>;

/** A refusal by which the token has no connection, or somebody else's: a mark of ours would only stand in the way. */
export class NothingTaken extends AppError {}

export const foreignToken = () =>
  new AppError('invalid_request', 'token: expected a token of type 0x0002 that answers this service’s challenge.', {
    extras: { errors: [{ field: 'token', message: 'it is not a token for this service' }] },
  });

export const unknownLocation = () =>
  new AppError(
    'unknown_location',
    'No location of this id is offered. GET /vpn/locations lists them. The token is not spent.',
  );

export const tokenMissing = (headers: Headers) =>
  new AppError('token_missing', 'Send token and signature, or Authorization: PrivateToken.', { headers });

export const tokenExpired = (headers: Headers) =>
  new AppError('token_expired', 'The key of this token no longer verifies. Ask for a new token.', { headers });

export const unknownKey = (headers: Headers) =>
  new AppError('unknown_key', 'The token names a key that this service does not know. Ask for a new token.', {
    headers,
  });

export const keysNotKnownYet = () =>
  new AppError('unavailable', 'The issuer keys are not up to date here. Keep the token and try again.', {
    headers: { 'retry-after': '5' },
  });

export const invalidSignature = (headers: Headers) =>
  new AppError('invalid_signature', 'The signature is not one of the token by the key that it names.', { headers });

export const noCapacity = () =>
  new NothingTaken('no_capacity', 'No node of this location can take the connection now. The token is not spent.', {
    headers: { 'retry-after': '10' },
  });

const reused = 'This token was spent before. A retry needs the same public_key as the first attempt.';

/** By whom can no longer be told, or by this client itself, whose connection is over. */
export const tokenReused = () => new AppError('token_reused', reused);

/** The connection that stands has another's key. */
export const tokenTaken = () => new NothingTaken('token_reused', reused);

export const locationChanged = () =>
  new AppError(
    'location_changed',
    'This token has a connection at another location. Retry with that one, or use another token here.',
  );

export const publicKeyInUse = () =>
  new NothingTaken(
    'public_key_in_use',
    'Another connection uses this public_key. Make a fresh one. The token is not spent.',
  );

export const notInstalledYet = () =>
  new AppError('unavailable', 'The connection is being set up. Retry with the same token and public_key.', {
    headers: { 'retry-after': '1' },
  });
