import { Injectable } from '@nestjs/common';
import {
  type Act,
  type AuditEvent,
  IdentityPrisma,
  type PushDevice,
  recordAct,
  type User,
} from '../prisma/identity/index.js';

/** More than anybody carries; who registers another loses the one not registered for longest. */
const mostDevices = 20;

@Injectable()
export class AccountStore {
  constructor(private readonly prisma: IdentityPrisma) {}

  async find(id: string): Promise<(User & { devices: PushDevice[] }) | undefined> {
    const include = { devices: { orderBy: { registeredOn: 'desc' } } } as const;
    return (await this.prisma.user.findUnique({ where: { id }, include })) ?? undefined;
  }

  /** A device that changes hands is its new owner's. @returns its id */
  async addDevice(
    userId: string,
    { token, platform }: Pick<PushDevice, 'token' | 'platform'>,
    today: Date,
  ): Promise<string> {
    const [row] = await this.prisma.$queryRaw<[{ id: string }]>`
      WITH forgotten AS (
        DELETE FROM "PushDevice" WHERE id IN (
          SELECT id FROM "PushDevice" WHERE user_id = ${userId}::uuid AND token <> ${token}
          ORDER BY registered_on DESC, id OFFSET ${mostDevices - 1}
        )
      )
      INSERT INTO "PushDevice" (user_id, token, platform, registered_on)
      VALUES (${userId}::uuid, ${token}, ${platform}, ${today}::timestamptz::date)
      ON CONFLICT (token) DO UPDATE SET user_id = excluded.user_id, platform = excluded.platform,
        registered_on = excluded.registered_on
      RETURNING id`;
    return row.id;
  }

  /** @returns whether the person had it */
  async removeDevice(userId: string, id: string): Promise<boolean> {
    return (await this.prisma.pushDevice.deleteMany({ where: { id, userId } })).count > 0;
  }

  async record(act: Act): Promise<void> {
    await this.prisma.$executeRaw(recordAct(act));
  }

  /** What was done to an account, newest first. @param before id of the last row of the page before */
  async acts(userId: string, before: bigint | undefined, limit: number): Promise<AuditEvent[]> {
    const where = { userId, ...(before !== undefined && { id: { lt: before } }) };
    return this.prisma.auditEvent.findMany({ where, orderBy: { id: 'desc' }, take: limit });
  }
}
