import { AppError } from '../http/index.js';

/** Every reason to refuse a token, each with what to do about it. A code that ends the token says so. */

const soon = { headers: { 'retry-after': '5' } };

export const foreignToken = () =>
  new AppError('invalid_request', 'token: expected a token of type 0x0002 that answers this service’s challenge.', {
    extras: { errors: [{ field: 'token', message: 'it is not a token for this service' }] },
  });

export const unknownLocation = () =>
  new AppError('unknown_location', 'No location has this id. GET /vpn/locations lists them. The token is not spent.');

export const tokenExpired = () =>
  new AppError('token_expired', 'The key of this token no longer verifies. Ask for a new token.');

export const unknownKey = () =>
  new AppError('unknown_key', 'The token names a key that this service does not know. Ask for a new token.');

export const keysNotKnownYet = () =>
  new AppError('unavailable', 'The issuer keys are not up to date here. Keep the token and try again.', soon);

export const invalidSignature = () =>
  new AppError('invalid_signature', 'The signature is not one of the token by the key that it names.');

export const noCapacity = () =>
  new AppError('no_capacity', 'No node of this location can take the connection now. The token is not spent.', {
    headers: { 'retry-after': '10' },
  });

export const tokenReused = () =>
  new AppError('token_reused', 'This token was spent before. A retry needs the same public_key as the first attempt.');

export const locationChanged = () =>
  new AppError('location_changed', 'This token was spent at another location. Retry with that one, or disconnect.');

export const publicKeyInUse = () =>
  new AppError(
    'public_key_in_use',
    'Another connection uses this public_key. Make a fresh one. The token is not spent.',
  );

export const notInstalledYet = () =>
  new AppError('unavailable', 'The connection is being set up. Retry with the same token and public_key.', {
    headers: { 'retry-after': '1' },
  });
