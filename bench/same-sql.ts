import { Prisma } from '../src/prisma/identity/index.js';

/**
 * The SQL text that a store of the service sends: the store is asked, over a client that writes down instead of asking a
 * database. The bare servers are given this text, so that both sides of a comparison send the same, today and after every
 * change of a store.
 */
export async function statementsOf<Store>(
  store: new (client: never) => Store,
  ask: (store: Store) => Promise<unknown>,
): Promise<string[]> {
  const texts: string[] = [];
  const record = (strings: TemplateStringsArray, ...values: unknown[]) => {
    texts.push(Prisma.sql(strings, ...values).text);
    return Promise.resolve([]);
  };
  const client = { $queryRaw: record, $executeRaw: record };
  // A store may well stumble over an answer without rows; by then it has sent what it sends.
  await ask(new store(client as never)).catch(() => undefined);
  if (texts.length === 0) throw new Error(`${store.name} sent no SQL`);
  return texts;
}

export async function statementOf<Store>(
  store: new (client: never) => Store,
  ask: (store: Store) => Promise<unknown>,
): Promise<string> {
  const [text = '', ...more] = await statementsOf(store, ask);
  if (more.length > 0) throw new Error(`${store.name} sent more than one statement`);
  return text;
}
