import { AppError } from '../platform/errors/index.js';

/** The reasons to refuse a redemption. Each detail says what to do, and whether the token is still unspent. */

type Headers = Readonly<Record<string, string>>;

/**
 * A refusal after which our mark must be removed: the token has no connection, or the connection of another client. The
 * mark would only block the client whose token this is.
 */
export class MarkReleasingRefusal extends AppError {}

export const tokenNotForThisService = () =>
  new AppError(
    'invalid_request',
    'token: expected a token of type 0x0002 for this service’s challenge. Request a new token.',
    {
      extras: { errors: [{ field: 'token', message: 'it is not a token for this service' }] },
    },
  );

export const unknownLocation = () =>
  new AppError(
    'unknown_location',
    'No available location has this id. Use one from GET /vpn/locations. The token is not spent.',
  );

export const tokenMissing = (headers: Headers) =>
  new AppError('token_missing', 'Send token and signature in the body, or the token in Authorization: PrivateToken.', {
    headers,
  });

export const tokenExpired = (headers: Headers) =>
  new AppError('token_expired', 'The issuer key of this token has expired or was retired. Request a new token.', {
    headers,
  });

export const unknownKey = (headers: Headers) =>
  new AppError('unknown_key', 'The token names an issuer key that this service does not know. Request a new token.', {
    headers,
  });

export const issuerKeysStale = () =>
  new AppError('unavailable', 'The list of issuer keys is out of date. Keep the token and try again.', {
    headers: { 'retry-after': '5' },
  });

export const invalidSignature = (headers: Headers) =>
  new AppError(
    'invalid_signature',
    'The signature does not match the token and the issuer key that it names. Request a new token.',
    { headers },
  );

export const noCapacity = () =>
  new MarkReleasingRefusal(
    'no_capacity',
    'No node at this location can take the connection now. The token is not spent: try again later or at another location.',
    {
      headers: { 'retry-after': '10' },
    },
  );

const reusedDetail =
  'This token is already spent. If this is a retry, send the same public_key as in the first attempt.';

/** Used when the connection has ended or is ending, or when another client's mark is on the token. Our mark stays. */
export const tokenReused = () => new AppError('token_reused', reusedDetail);

/** The token's live connection has another client's public key. */
export const tokenSpentByAnotherClient = () => new MarkReleasingRefusal('token_reused', reusedDetail);

export const locationChanged = () =>
  new AppError(
    'location_changed',
    'This token already has a connection at another location. Retry with that location, or use another token here.',
  );

export const publicKeyInUse = () =>
  new MarkReleasingRefusal(
    'public_key_in_use',
    'Another connection uses this public_key. Generate a new key pair. The token is not spent.',
  );

export const connectionNotReady = () =>
  new AppError('unavailable', 'The connection is still being set up. Retry with the same token and public_key.', {
    headers: { 'retry-after': '1' },
  });
