import { missing } from './errors.js';

/** Objects of one kind by id, oldest first. */
export class Table<T extends { readonly id: string }> {
  private readonly rows: Map<string, T>;

  constructor(
    /** The name of the object type in error messages. */
    readonly kind: string,
    rows: readonly T[] = [],
  ) {
    this.rows = new Map(rows.map((row) => [row.id, row]));
  }

  add(row: T): T {
    this.rows.set(row.id, row);
    return row;
  }

  find(id: string): T | undefined {
    return this.rows.get(id);
  }

  /** @param param the parameter with the id; left out when the path has it. @throws {ApiError} resource_missing */
  get(id: string, param?: string): T {
    const row = this.rows.get(id);
    if (!row) throw missing(this.kind, id, param);
    return row;
  }

  delete(id: string): void {
    this.rows.delete(id);
  }

  all(): T[] {
    return [...this.rows.values()];
  }

  where(matches: (row: T) => boolean): T[] {
    return this.all().filter(matches);
  }
}
