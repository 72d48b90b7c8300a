import { Global, Module } from '@nestjs/common';
import { ErrorTranslations } from './error-translations.js';

@Global()
@Module({ providers: [ErrorTranslations], exports: [ErrorTranslations] })
export class ErrorsModule {}
