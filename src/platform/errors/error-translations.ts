import { Injectable, type Provider } from '@nestjs/common';
import { type AppError } from './app-error.js';
import { toAppError } from './to-app-error.js';

/** What an error means for a client; undefined when the translation does not know it. */
export type Translation = (error: unknown) => AppError | undefined;

/** Errors that only one module can read: one that names a constraint of its tables, say. */
@Injectable()
export class ErrorTranslations {
  private readonly translations: Translation[] = [toAppError];

  add(translation: Translation): void {
    this.translations.push(translation);
  }

  /** Undefined when the error is our own fault. */
  translate(error: unknown): AppError | undefined {
    for (const translation of this.translations) {
      const translated = translation(error);
      if (translated !== undefined) return translated;
    }
    return undefined;
  }
}

/** For a module's `providers`: how it translates what its tables refuse. */
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
