/** An error response in Google's format: `{ error: { code, message, errors } }`. Clients switch on the message. */
export class GoogleError extends Error {
  constructor(
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }

  toJSON(): object {
    const { message, status } = this;
    return { error: { code: status, message, errors: [{ message, domain: 'global', reason: 'invalid' }] } };
  }
}
