import { Module } from '@nestjs/common';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { translates } from '../platform/errors/index.js';
import { handles, jobHandlers, personOf } from '../platform/jobs/index.js';
import { erasedUser } from './erased-user.js';
import { FirebaseClient } from './firebase.client.js';
import { Forgetting } from './forgetting.service.js';
import { People } from './people.service.js';
import { PersonGuard } from './person.guard.js';
import { SignOutController } from './sign-out.controller.js';
import { SignOut } from './sign-out.service.js';
import { SignOutStore, signOutTask } from './sign-out.store.js';
import { UsersStore } from './users.store.js';

/** Who a request comes from. Imported by every module with endpoints for signed-in people. */
@Module({
  controllers: [SignOutController],
  providers: [
    {
      provide: FirebaseClient,
      inject: [GATEKEEPER_CONFIG, Clock],
      useFactory: ({ firebase }: GatekeeperConfig, clock: Clock) => new FirebaseClient(firebase, clock),
    },
    UsersStore,
    People,
    Forgetting,
    SignOut,
    SignOutStore,
    PersonGuard,
    translates(erasedUser),
    ...jobHandlers(handles(signOutTask, SignOut, (signOut, payload) => signOut.finish(personOf(payload)))),
  ],
  exports: [FirebaseClient, Forgetting, People, PersonGuard, SignOut],
})
export class AuthModule {}
