/** Where the gatekeeper's jobs wait: graphile-worker's own tables, beside the identity schema and in the same database. */
export const jobsSchema = 'identity_jobs';
