/** A refusal as Google words it: `{ error: { code, message, errors } }`, the message being what clients switch on. */
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
