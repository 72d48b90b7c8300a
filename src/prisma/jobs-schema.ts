/** Schema of graphile-worker's tables, which hold the gatekeeper's jobs. It is in the identity database. */
export const jobsSchema = 'identity_jobs';
