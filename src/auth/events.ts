/** A user's e-mail address changed, or whether it is verified. */
export const userEmailChanged = 'user.email_changed';
