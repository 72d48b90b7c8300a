/** A user got access from the App Store or an operator, that is neither by a checkout nor by a trial. */
export const accessGrantedElsewhere = 'access.granted_elsewhere';
