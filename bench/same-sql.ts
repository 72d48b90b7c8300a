import { Prisma } from '../src/prisma/identity/index.js';

/**
 * Returns the SQL that a store of the service sends, by calling the store with a client that only records statements. The bare
 * servers use this SQL, so that both servers of a comparison always send the same, also after a change of the store.
 */
async function statementsOf<Store>(
  store: new (client: never) => Store,
  ask: (store: Store) => Promise<unknown>,
): Promise<Prisma.Sql[]> {
  const statements: Prisma.Sql[] = [];
  const record = (strings: TemplateStringsArray, ...values: unknown[]) => {
    statements.push(Prisma.sql(strings, ...values));
    return Promise.resolve([]);
  };
  const client = { $queryRaw: record, $executeRaw: record };
  // The store may fail because there are no rows, but then it has already sent its SQL.
  await ask(new store(client as never)).catch(() => undefined);
  if (statements.length === 0) throw new Error(`${store.name} sent no SQL`);
  return statements;
}

export async function statementOf<Store>(
  store: new (client: never) => Store,
  ask: (store: Store) => Promise<unknown>,
): Promise<string> {
  return (await onlyStatementOf(store, ask)).text;
}

/** Returns the only statement that the call sends, with its values. */
export async function onlyStatementOf<Store>(
  store: new (client: never) => Store,
  ask: (store: Store) => Promise<unknown>,
): Promise<Prisma.Sql> {
  const [statement = Prisma.empty, ...more] = await statementsOf(store, ask);
  if (more.length > 0) throw new Error(`${store.name} sent more than one statement`);
  return statement;
}
