export { AppError, problemMediaType } from './app-error.js';
export { ErrorTranslations, translates } from './error-translations.js';
export { ErrorsModule } from './errors.module.js';
export { type ProblemCode, problems } from './problems.js';
export { isStoreError, isStoreOutage, isUniqueViolation, violatedForeignKey } from './store-errors.js';
export { toAppError } from './to-app-error.js';
