import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const sides = ['identity', 'network'] as const;
export type Side = (typeof sides)[number];

/** A migration as the schema engine takes it. */
export interface MigrationDirectory {
  readonly path: string;
  readonly migrationFile: { readonly path: string; readonly content: { readonly tag: 'ok'; readonly value: string } };
}

/** The folder `prisma/` at the root of the project. Works from the sources and from the build. */
function prismaFolder(from = import.meta.dirname): string {
  const folder = join(from, 'prisma');
  if (existsSync(join(folder, 'identity', 'schema.prisma'))) return folder;
  if (dirname(from) === from) throw new Error('No folder above this program contains prisma/identity/schema.prisma.');
  return prismaFolder(dirname(from));
}

export const modelFile = (side: Side): string => join(prismaFolder(), side, 'schema.prisma');

export const readModel = (side: Side): string => readFileSync(modelFile(side), 'utf8');

export const migrationsFolder = (side: Side): string => join(prismaFolder(), side, 'migrations');

/** Every migration of a side, oldest first. */
export function readMigrations(side: Side): MigrationDirectory[] {
  const folder = migrationsFolder(side);
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const value = readFileSync(join(folder, name, 'migration.sql'), 'utf8');
      return { path: name, migrationFile: { path: 'migration.sql', content: { tag: 'ok', value } } };
    });
}
