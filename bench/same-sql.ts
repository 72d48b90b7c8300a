import { Prisma } from '../src/prisma/identity/index.js';

/**
 * The SQL text that a store of the service sends: the store is asked, over a client that writes down instead of asking a
 * database. The bare servers are given this text, so that both sides of a comparison send the same, today and after every
 * change of a store.
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
  // A store may well stumble over an answer without rows; by then it has sent what it sends.
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

/** With the values that it was asked with. */
export async function onlyStatementOf<Store>(
  store: new (client: never) => Store,
  ask: (store: Store) => Promise<unknown>,
): Promise<Prisma.Sql> {
  const [statement = Prisma.empty, ...more] = await statementsOf(store, ask);
  if (more.length > 0) throw new Error(`${store.name} sent more than one statement`);
  return statement;
}
