import { Injectable } from '@nestjs/common';
import { IdentityPrisma, Prisma, type PushDevice } from '../../prisma/identity/index.js';

/** More than a user owns. Registering another one removes the device whose registration is oldest, by the day. */
const maxDevices = 20;

/** The devices that receive pushes. */
@Injectable()
export class PushDevicesStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  /** Registers a device. If another user had registered it before, it now belongs to this user. @returns its id */
  async add(userId: string, { token, platform }: Pick<PushDevice, 'token' | 'platform'>, today: Date): Promise<string> {
    const [row] = await this.prisma.$queryRaw<[{ id: string }]>`
      WITH removed AS (
        DELETE FROM "PushDevice" WHERE id IN (
          SELECT id FROM "PushDevice" WHERE user_id = ${userId}::uuid AND token <> ${token}
          ORDER BY registered_on DESC, id OFFSET ${maxDevices - 1}
        )
      )
      INSERT INTO "PushDevice" (user_id, token, platform, registered_on)
      VALUES (${userId}::uuid, ${token}, ${platform}, ${today}::timestamptz::date)
      ON CONFLICT (token) DO UPDATE SET user_id = excluded.user_id, platform = excluded.platform,
        registered_on = excluded.registered_on
      RETURNING id`;
    return row.id;
  }

  /** @returns whether the user had this device */
  async remove(userId: string, id: string): Promise<boolean> {
    return (await this.prisma.pushDevice.deleteMany({ where: { id, userId } })).count > 0;
  }

  /** Removes a device whose token is dead. A device that got a new token since is registered under the new one. */
  async removeByToken(token: string): Promise<void> {
    await this.prisma.pushDevice.deleteMany({ where: { token } });
  }
}

/**
 * A statement that removes all devices of some users, for the `WITH` of the statement that signs them out. Returns `user_id`
 * and `token`.
 *
 * @param users a query of the users' ids
 */
export const deleteDevicesOf = (users: Prisma.Sql): Prisma.Sql => Prisma.sql`
  DELETE FROM "PushDevice" WHERE user_id IN (${users}) RETURNING user_id, token`;
