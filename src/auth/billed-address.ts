/** The job that gives whoever bills a person their new address; its payload is `{ userId }`. */
export const addressTask = 'bill-to-address';
