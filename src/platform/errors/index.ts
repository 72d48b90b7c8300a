export { AppError, problemMediaType } from './app-error.js';
export { type ProblemCode, problems } from './problems.js';
export { isStoreOutage, toAppError } from './to-app-error.js';
