import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { type Side, sides } from './migration-files.js';

const id = pg.escapeIdentifier;

export interface RuntimeRole {
  readonly name: string;
  readonly password: string;
}

/** The role that a runtime URL connects as. */
export function roleOf(runtimeUrl: string): RuntimeRole {
  const { username, password } = new URL(runtimeUrl);
  if (username === '' || password === '') {
    throw new Error(
      'The runtime database URL must name a user and a password: postgresql://user:password@host/database',
    );
  }
  return { name: decodeURIComponent(username), password: decodeURIComponent(password) };
}

/**
 * Makes the role, or gives an existing one the password. An owner who may not change roles goes on when the role is there:
 * then whoever made it has also set its password.
 *
 * @throws {Error} when the role could do more than its schema's rights say: the owner itself, a superuser, a member of
 * another role.
 */
export async function ensureRole(owner: pg.ClientBase, { name, password }: RuntimeRole): Promise<void> {
  const setting = `LOGIN PASSWORD ${pg.escapeLiteral(scramVerifier(password))}`;
  if (await roleExists(owner, name)) {
    await refuseOverprivilegedRole(owner, name);
    await tolerating(owner.query(`ALTER ROLE ${id(name)} ${setting}`), ['42501']);
  } else {
    // 42710 and 23505: another migration, from another database of this server, has just made it.
    await tolerating(owner.query(`CREATE ROLE ${id(name)} ${setting}`), ['42710', '23505']);
  }
}

/** Only the runtime roles connect, and none of them makes temporary tables. */
export function grantConnection(role: string, database: string): string {
  return `
    REVOKE ALL ON DATABASE ${id(database)} FROM PUBLIC, ${id(role)};
    GRANT CONNECT ON DATABASE ${id(database)} TO ${id(role)};`;
}

/** Where everybody may look, somebody may plant: nothing of ours is there. An owner who does not own it leaves it. */
export async function closePublicSchema(owner: pg.ClientBase): Promise<void> {
  // 42501: not the owner's to change. 3F000: there is none.
  await tolerating(owner.query('REVOKE ALL ON SCHEMA public FROM PUBLIC'), ['42501', '3F000']);
}

/** Tables that the service may read and add to, and never change. */
const appendOnly: Readonly<Record<Side, readonly string[]>> = {
  identity: ['PaymentHistory', 'AuditEvent'],
  network: [],
};

/** Exactly the rights that the service needs on its own schema, and no others there. */
export function grantRights(schema: Side, role: string): string {
  const [s, r] = [id(schema), id(role)];
  const fixed = appendOnly[schema].map((table) => `REVOKE UPDATE, DELETE ON ${s}.${id(table)} FROM ${r};`);
  return `
    REVOKE ALL ON SCHEMA ${s} FROM PUBLIC, ${r};
    REVOKE ALL ON ALL TABLES IN SCHEMA ${s} FROM PUBLIC, ${r};
    GRANT USAGE ON SCHEMA ${s} TO ${r};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${s} TO ${r};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${s} TO ${r};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${s} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${r};
    ALTER DEFAULT PRIVILEGES IN SCHEMA ${s} GRANT USAGE ON SEQUENCES TO ${r};
    REVOKE ALL ON ${s}._prisma_migrations FROM ${r};
    GRANT SELECT ON ${s}._prisma_migrations TO ${r};
    ${fixed.join('\n')}`;
}

async function roleExists(owner: pg.ClientBase, name: string): Promise<boolean> {
  return (await owner.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name])).rows.length > 0;
}

async function refuseOverprivilegedRole(owner: pg.ClientBase, name: string): Promise<void> {
  const { rows } = await owner.query<{ mighty: boolean }>(
    `SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolname = current_user
       OR EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS mighty
     FROM pg_roles r WHERE rolname = $1`,
    [name],
  );
  if (rows[0]?.mighty === false) return;
  throw new Error(
    `The role ${name} of the runtime URL is the owner, an administrator or a member of another role. Name a role for this side alone.`,
  );
}

/** @throws {Error} when the role already has rights on the other side's schema: one role would then join the two. */
export async function refuseSharedRole(owner: pg.ClientBase, name: string, side: Side): Promise<void> {
  const others = sides.filter((other) => other !== side);
  const { rows } = await owner.query<{ schema: string }>(
    `SELECT nspname AS schema FROM pg_namespace, pg_roles
     WHERE nspname = ANY ($2) AND rolname = $1 AND NOT rolsuper AND has_schema_privilege(rolname, nspname, 'USAGE')`,
    [name, others],
  );
  if (rows.length === 0) return;
  throw new Error(
    `The role ${name} already serves the ${rows[0]?.schema} side. Name a role for the ${side} side alone.`,
  );
}

async function tolerating(query: Promise<unknown>, harmless: readonly string[]): Promise<void> {
  try {
    await query;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    // Migrations of two databases on one server may set the same role's same password at once.
    if (error.message !== 'tuple concurrently updated' && !harmless.includes(error.code ?? '')) throw error;
  }
}

/** What PostgreSQL stores for a password (RFC 5803), made here so that the password is in no statement and no server log. */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}
