import { Module } from '@nestjs/common';
import { Clock, GATEKEEPER_CONFIG, type GatekeeperConfig } from '../config/index.js';
import { FirebaseClient } from './firebase.client.js';
import { People } from './people.service.js';
import { PersonGuard } from './person.guard.js';
import { UsersStore } from './users.store.js';

/** Who a request comes from. Imported by every module with endpoints for signed-in people. */
@Module({
  providers: [
    {
      provide: FirebaseClient,
      inject: [GATEKEEPER_CONFIG, Clock],
      useFactory: ({ firebase }: GatekeeperConfig, clock: Clock) => new FirebaseClient(firebase, clock),
    },
    UsersStore,
    People,
    PersonGuard,
  ],
  exports: [FirebaseClient, People, PersonGuard],
})
export class AuthModule {}
