import pg from 'pg';

/** Returns every row of one schema as text, to search whether this side stores a value. */
export async function dump(ownerUrl: string, schema: 'identity' | 'network'): Promise<string> {
  const client = new pg.Client(ownerUrl);
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = $1',
      [schema],
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const table = `${schema}.${pg.escapeIdentifier(name)}`;
      const { rows } = await client.query<{ line: string }>(`SELECT row_to_json(t)::text AS line FROM ${table} t`);
      texts.push(...rows.map(({ line }) => `${name} ${line}`));
    }
    return texts.join('\n');
  } finally {
    await client.end();
  }
}

/** A value in every encoding that a dump can contain: unchanged, and its bytes as hexadecimal, base64 and base64url. */
export function formsOf(value: string, encoding: 'base64' | 'base64url' | 'utf8'): string[] {
  const bytes = Buffer.from(value, encoding);
  return [value, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')];
}
