import { Injectable } from '@nestjs/common';
import { NetworkPrisma } from '../prisma/network/index.js';
import { type LocationRecord } from './fleet-snapshot.js';

@Injectable()
export class LocationStore {
  constructor(private readonly prisma: NetworkPrisma) {}

  async list(): Promise<LocationRecord[]> {
    return this.prisma.location.findMany({ orderBy: { id: 'asc' } });
  }

  /** False when the id is taken. */
  async add({ id, country, city, latitude, longitude }: Omit<LocationRecord, 'enabled'>): Promise<boolean> {
    const added = await this.prisma.$executeRaw`
      INSERT INTO "Location" (id, country, city, latitude, longitude)
      VALUES (${id}, ${country}, ${city}, ${latitude}, ${longitude}) ON CONFLICT DO NOTHING`;
    return added === 1;
  }

  /** False when no location has this id. */
  async setEnabled(id: string, enabled: boolean): Promise<boolean> {
    return (await this.prisma.$executeRaw`UPDATE "Location" SET enabled = ${enabled} WHERE id = ${id}`) === 1;
  }
}
