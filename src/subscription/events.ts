/** A user was given access by the App Store or by an operator: elsewhere than by a checkout, which is over then, or a trial. */
export const accessGrantedElsewhere = 'access.granted_elsewhere';
