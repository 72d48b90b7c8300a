import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { KnownLocationsService } from './known-locations.service.js';
import { PreferencesController } from './preferences.controller.js';
import { PreferencesService } from './preferences.service.js';
import { PreferencesStore } from './preferences.store.js';

/** Users' preferences, which apply to all their devices. */
@Module({
  imports: [AuthModule],
  controllers: [PreferencesController],
  providers: [KnownLocationsService, PreferencesService, PreferencesStore],
  exports: [KnownLocationsService, PreferencesService],
})
export class PreferencesModule {}
