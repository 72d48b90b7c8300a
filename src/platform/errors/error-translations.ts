import { Injectable, type Provider } from '@nestjs/common';
import { type AppError } from './app-error.js';
import { toAppError } from './to-app-error.js';

/** Turns an error into the problem that clients see. Returns undefined for an error that it does not know. */
export type Translation = (error: unknown) => AppError | undefined;

/** Collects the translations of all modules. A module translates errors of its own tables, such as a violated constraint. */
@Injectable()
export class ErrorTranslations {
  private readonly translations: Translation[] = [toAppError];

  add(translation: Translation): void {
    this.translations.push(translation);
  }

  /** Undefined when the error is a fault of the service. */
  translate(error: unknown): AppError | undefined {
    for (const translation of this.translations) {
      const translated = translation(error);
      if (translated !== undefined) return translated;
    }
    return undefined;
  }
}

/** For a module's `providers`: a translation of the errors of its tables. */
export function translates(translation: Translation): Provider {
  return {
    provide: `translation:${translation.name}`,
    inject: [ErrorTranslations],
    useFactory: (translations: ErrorTranslations) => {
      translations.add(translation);
      return translation;
    },
  };
}
