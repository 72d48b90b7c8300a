import { AppError } from '../platform/errors/index.js';

export function invalidNodeCredential(): AppError {
  return new AppError(
    'invalid_node_credential',
    'Send "Authorization: Bearer <credential>" with the credential that this node received when it registered.',
    { headers: { 'www-authenticate': 'Bearer' } },
  );
}

export function invalidEnrolment(detail: string): AppError {
  return new AppError('enrolment_token_invalid', detail, { headers: { 'www-authenticate': 'Bearer' } });
}

export function nodeRetired(): AppError {
  return new AppError(
    'node_retired',
    'The operator has retired this node permanently. Register a new node with a new key.',
  );
}

export function unknownLocation(): AppError {
  return new AppError('unknown_location', 'No location has this id. Use one from GET /vpn/locations.');
}
