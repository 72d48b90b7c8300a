import { randomBytes, randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type WantedConnection } from '../../src/connection/connection.js';
import { ConnectionModule, type LiveConnection } from '../../src/connection/index.js';
import { AllocationStore } from '../../src/connection/allocation.store.js';
import { type NodeStatus } from '../../src/prisma/network/index.js';
import { type ConnectionRow } from './anonymizer.js';
import { addLocation, createFleetReplica, type FleetReplica } from './fleet.js';
import { openPool } from './postgres.js';
import { createTestStack, type TestStack } from './stack.js';
import { TestClock } from './test-clock.js';

const hourMs = 3_600_000;

/** A connection as a redemption would request it at noon. */
export function wantedConnection(overrides: Partial<WantedConnection> = {}): WantedConnection {
  return {
    id: randomUUID(),
    keyId: randomBytes(32),
    publicKey: randomBytes(32),
    salt: randomBytes(16),
    secretKeyId: randomBytes(8),
    secretHash: randomBytes(32),
    dnsBlocking: 'none',
    startedOn: new Date('2030-01-01'),
    expiresAt: new Date('2030-01-02T12:00:00Z'),
    ...overrides,
  };
}

/** The connection services on their own database and Redis, without HTTP or background jobs. The clock is fixed at noon. */
export interface TestConnections {
  readonly stack: TestStack;
  readonly clock: TestClock;
  readonly replica: FleetReplica;
  readonly get: <T>(type: abstract new (...args: never[]) => T) => T;
  /** Another replica on the same stores and clock. `stop` stops it too. */
  addReplica(): Promise<FleetReplica>;
  /** @returns its id */
  addNode(node?: { status?: NodeStatus; capacity?: number; locationId?: string; lastPulseAt?: Date }): Promise<string>;
  setNode(id: string, status: NodeStatus): Promise<void>;
  /** Allocates a slot on a node. */
  place(nodeId: string, overrides?: Partial<WantedConnection>): Promise<LiveConnection>;
  /** Runs one statement as the owner of the database. */
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  rows(): Promise<ConnectionRow[]>;
  row(id: string): Promise<ConnectionRow | undefined>;
  set(id: string, status: 'pending' | 'active' | 'ending'): Promise<void>;
  /** Deletes all connections and nodes. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export async function startConnections(): Promise<TestConnections> {
  const stack = await createTestStack();
  const clock = new TestClock();
  const owner = openPool({ connectionString: stack.ownerUrl, options: '-c search_path=network', max: 4 });
  const replicas: FleetReplica[] = [];
  const addReplica = async () => {
    const replica = await createFleetReplica(stack, clock, [ConnectionModule]);
    replicas.push(replica);
    return replica;
  };
  const replica = await addReplica();
  await addLocation(replica);
  const sql: TestConnections['sql'] = async <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) =>
    (await owner.query<Row>(text, values)).rows;
  const get: TestConnections['get'] = (type) => replica.app.get(type, { strict: false });
  return {
    stack,
    clock,
    replica,
    get,
    addReplica,
    sql,
    addNode: async ({
      status = 'healthy',
      capacity = 100,
      locationId = 'de-frankfurt',
      lastPulseAt = clock.now(),
    } = {}) => {
      const [row] = await sql<{ id: string }>(
        `INSERT INTO "Node" (location_id, public_key, ip, port, capacity, status, last_pulse_at, credential_hash,
                                     enrolled_with, enrolled_at)
         VALUES ($5, $1, '192.0.2.1', 51820, $2, $3, $4, $1, $1, $4) RETURNING id`,
        [randomBytes(32), capacity, status, lastPulseAt, locationId],
      );
      return row?.id ?? '';
    },
    setNode: async (id, status) => {
      await sql('UPDATE "Node" SET status = $2 WHERE id = $1', [id, status]);
    },
    place: async (nodeId, overrides) => {
      const placed = await get(AllocationStore).allocate(wantedConnection(overrides), nodeId, 100);
      if (placed === undefined) throw new Error('the node has no free slot');
      return placed;
    },
    rows: () => sql<ConnectionRow>('SELECT * FROM "Connection"'),
    row: async (id) => (await sql<ConnectionRow>('SELECT * FROM "Connection" WHERE id = $1', [id]))[0],
    set: async (id, status) => {
      await sql('UPDATE "Connection" SET status = $2 WHERE id = $1', [id, status]);
    },
    clear: async () => {
      await sql('TRUNCATE "Connection", "Node", "VerifierKey"');
    },
    stop: async () => {
      for (const each of replicas) await each.stop();
      await owner.end();
      await stack.stop();
    },
  };
}

export const hoursLater = (time: Date, hours: number) => new Date(time.getTime() + hours * hourMs);
