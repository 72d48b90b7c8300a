import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, DriverAdapterError } from '@prisma/driver-adapter-utils';
import * as engineBindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { type MigrationDirectory } from './migration-files.js';

/**
 * Prisma's schema engine, compiled to WebAssembly. It replaces `prisma migrate`, which downloads a native binary. Two of its
 * functions are used: applying migrations, and writing the SQL that leads from one model to another.
 */
export interface SchemaEngine {
  /** Applies the migrations that the database does not have yet, in order. Resolves to their names. */
  applyMigrations(baseDir: string, migrations: readonly MigrationDirectory[]): Promise<readonly string[]>;
  /** The SQL that leads from one model to another; from an empty database without `from`. */
  diff(from: string | undefined, to: string): Promise<string>;
}

const noFilter = { externalTables: [], externalEnums: [] };

/** Runs `use` with an engine for one schema of the database of the pool. */
export async function withSchemaEngine<T>(
  pool: pg.Pool,
  schema: string,
  model: string,
  use: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  startEngine();
  const factory = bindMigrationAwareSqlAdapterFactory(new AtomicScripts(pool, { schema }));
  const engine = await engineBindings.SchemaEngine.new({ datamodels: [['schema.prisma', model]] }, () => {}, factory);
  try {
    return await use({
      applyMigrations: async (baseDir, migrationDirectories) => {
        const lockfile = { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' };
        const migrationsList = {
          baseDir,
          lockfile,
          shadowDbInitScript: '',
          migrationDirectories: [...migrationDirectories],
        };
        return (await engine.applyMigrations({ migrationsList, filters: noFilter })).appliedMigrationNames;
      },
      diff: async (from, to) => {
        const result = await engine.diff({
          from: from === undefined ? { tag: 'empty' } : datamodel(from),
          to: datamodel(to),
          script: true,
          exitCode: null,
          filters: noFilter,
        });
        return result.stdout ?? '';
      },
    });
  } finally {
    engine.free();
  }
}

const datamodel = (content: string) => ({
  tag: 'schemaDatamodel' as const,
  files: [{ path: 'schema.prisma', content }],
});

/** The part of the global that is used here. TypeScript declares it only for browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, unknown> };
};

let started = false;

/** Links the WebAssembly module to its JavaScript. The package does it with a kind of import that Node does not support. */
function startEngine(): void {
  if (started) return;
  const require = createRequire(import.meta.url);
  const entry = require.resolve('@prisma/schema-engine-wasm');
  const module = new WebAssembly.Module(readFileSync(entry.replace(/\.js$/, '_bg.wasm')));
  const { exports } = new WebAssembly.Instance(module, { './schema_engine_bg.js': engineBindings });
  const bindings = engineBindings as unknown as { __wbg_set_wasm(exports: object): void };
  bindings.__wbg_set_wasm(exports);
  (exports['__wbindgen_start'] as () => void)();
  started = true;
}

/** Marks the migration as finished in the migration's own transaction, so that a kill never leaves it half-applied. */
const markFinished = `
  UPDATE _prisma_migrations SET finished_at = now(), applied_steps_count = 1
  WHERE finished_at IS NULL AND rolled_back_at IS NULL`;

/**
 * Prisma's adapter splits a script at every semicolon, even inside strings and comments, and commits each piece. This one sends
 * the script as a whole: PostgreSQL parses it and runs it as one transaction.
 */
class AtomicScripts extends PrismaPg {
  constructor(
    private readonly pool: pg.Pool,
    options: { schema: string },
  ) {
    super(pool, options);
  }

  override async connect() {
    const adapter = await super.connect();
    adapter.executeScript = async (script) => {
      try {
        await this.pool.query(`${script}\n;${markFinished}`);
      } catch (error) {
        if (!(error instanceof pg.DatabaseError)) throw error;
        const { code = '', severity = 'ERROR', message, detail, column, hint } = error;
        throw new DriverAdapterError({ kind: 'postgres', code, severity, message, detail, column, hint });
      }
    };
    return adapter;
  }
}
