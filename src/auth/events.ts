/** A user's address, or whether it is proven, is other than it was. */
export const userEmailChanged = 'user.email_changed';
