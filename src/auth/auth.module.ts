import { Module } from '@nestjs/common';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { translates } from '../platform/errors/index.js';
import { handles, jobHandlers, userIdOf } from '../platform/jobs/index.js';
import { erasedUser } from './erased-user.js';
import { FirebaseClient } from './firebase.client.js';
import { IdentityCacheInvalidationService } from './identity-cache-invalidation.service.js';
import { IdentityCacheService } from './identity-cache.service.js';
import { UserGuard } from './user.guard.js';
import { SignOutController } from './sign-out.controller.js';
import { SignOutService } from './sign-out.service.js';
import { SignOutStore, signOutTask } from './sign-out.store.js';
import { UsersStore } from './users.store.js';

/** Authenticates users. Imported by every module that has endpoints for signed-in users. */
@Module({
  controllers: [SignOutController],
  providers: [
    {
      provide: FirebaseClient,
      inject: [GATEKEEPER_CONFIG, Clock],
      useFactory: ({ firebase }: GatekeeperConfig, clock: Clock) => new FirebaseClient(firebase, clock),
    },
    UsersStore,
    IdentityCacheService,
    IdentityCacheInvalidationService,
    SignOutService,
    SignOutStore,
    UserGuard,
    translates(erasedUser),
    ...jobHandlers(handles(signOutTask, SignOutService, (signOut, payload) => signOut.finish(userIdOf(payload)))),
  ],
  exports: [FirebaseClient, IdentityCacheInvalidationService, IdentityCacheService, UserGuard, SignOutService],
})
export class AuthModule {}
