export interface Table {
  readonly name: string;
  /** Empty when the table has none. */
  readonly comment: string;
  readonly columns: readonly Column[];
}

interface Column {
  /** Its name in the database. */
  readonly name: string;
  /** Empty when the column has none. */
  readonly comment: string;
}

/** Reads the tables of a Prisma schema with their `///` comments. Skips relation fields, which are not columns. */
export function readTables(schema: string): Table[] {
  const models = [...schema.matchAll(/((?:^\/\/\/.*\n)*)^model (\w+) \{\n([^}]*)^\}/gm)];
  const names = new Set(models.map(([, , name]) => name));
  return models.map(([, comment = '', name = '', body = '']) => ({
    name,
    comment: textOf(comment),
    columns: [...body.matchAll(/((?:^\s*\/\/\/.*\n)*)^\s*(\w+)\s+(\w+)(.*)$/gm)]
      .filter(([, , , type]) => !names.has(type))
      .map(([, about = '', field = '', , rest = '']) => ({
        name: /[^@]@map\("([^"]+)"\)/.exec(rest)?.[1] ?? field,
        comment: textOf(about),
      })),
  }));
}

const textOf = (comment: string) =>
  comment
    .split('\n')
    .map((line) => line.replace(/^\s*\/\/\/ ?/, ''))
    .join(' ')
    .trim();
