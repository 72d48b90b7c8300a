import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { type Side, sides } from './migration-files.js';

const id = pg.escapeIdentifier;

export interface RuntimeRole {
  readonly name: string;
  readonly password: string;
}

/** The role in a runtime URL. */
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
 * Creates the role, or sets the password of an existing one. If the owner may not change roles and the role exists, its password
 * stays as its creator set it.
 *
 * @throws {Error} when the role has more rights than those on its schema: the owner itself, a superuser, a member of another
 * role
 */
export async function ensureRole(owner: pg.ClientBase, { name, password }: RuntimeRole): Promise<void> {
  const setting = `LOGIN PASSWORD ${pg.escapeLiteral(scramVerifier(password))}`;
  if (await roleExists(owner, name)) {
    await refuseOverprivilegedRole(owner, name);
    await ignoring(owner.query(`ALTER ROLE ${id(name)} ${setting}`), ['42501']);
  } else {
    // 42710 and 23505: a migration of another database on this server has just created it.
    await ignoring(owner.query(`CREATE ROLE ${id(name)} ${setting}`), ['42710', '23505']);
  }
}

/** Only the runtime roles may connect, and none of them may create temporary tables. */
export function grantConnection(role: string, database: string): string {
  return `
    REVOKE ALL ON DATABASE ${id(database)} FROM PUBLIC, ${id(role)};
    GRANT CONNECT ON DATABASE ${id(database)} TO ${id(role)};`;
}

/** Closes the schema `public`, which the service does not use: a search path that includes it could run planted functions. */
export async function closePublicSchema(owner: pg.ClientBase): Promise<void> {
  // 42501: this role does not own it. 3F000: it does not exist.
  await ignoring(owner.query('REVOKE ALL ON SCHEMA public FROM PUBLIC'), ['42501', '3F000']);
}

/** Tables where the service may read and insert, but never update or delete. */
const appendOnly: Readonly<Record<Side, readonly string[]>> = {
  identity: ['PaymentHistory', 'AuditEvent'],
  network: [],
};

/** Grants exactly the rights that the service needs on its own schema. */
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
  const { rows } = await owner.query<{ overprivileged: boolean }>(
    `SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolname = current_user
       OR EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS overprivileged
     FROM pg_roles r WHERE rolname = $1`,
    [name],
  );
  if (rows[0]?.overprivileged === false) return;
  throw new Error(
    `The role ${name} of the runtime URL is the owner, an administrator or a member of another role. Use a role that only this side has.`,
  );
}

/** @throws {Error} when the role has rights on the other side's schema: one role must not reach both sides */
export async function refuseSharedRole(owner: pg.ClientBase, name: string, side: Side): Promise<void> {
  const others = sides.filter((other) => other !== side);
  const { rows } = await owner.query<{ schema: string }>(
    `SELECT nspname AS schema FROM pg_namespace, pg_roles
     WHERE nspname = ANY ($2) AND rolname = $1 AND NOT rolsuper AND has_schema_privilege(rolname, nspname, 'USAGE')`,
    [name, others],
  );
  if (rows.length === 0) return;
  throw new Error(
    `The role ${name} already serves the ${rows[0]?.schema} side. Use a role that only the ${side} side has.`,
  );
}

async function ignoring(query: Promise<unknown>, codes: readonly string[]): Promise<void> {
  try {
    await query;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    // Migrations of two databases on one server may set the password of the same role at once.
    if (error.message !== 'tuple concurrently updated' && !codes.includes(error.code ?? '')) throw error;
  }
}

/** The verifier that PostgreSQL stores (RFC 5803). Sending it keeps the password out of statements and server logs. */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}
