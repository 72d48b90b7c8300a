/** A user was given access by the App Store or by an operator; not by a checkout, which is over then, or a trial. */
export const accessGranted = 'access.granted';
