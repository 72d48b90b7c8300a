import { type Entity } from './identifiers.js';

/** src/include/access/rmgrlist.h: the managers that write rows of tables. */
const heapManagers = new Set([9, 10]);

/**
 * The header of a record's first block (src/include/access/xlogrecord.h): id, flags, length, then the file: tablespace, database,
 * relation. A block with an image holds whole pages, and so the rows of others.
 */
const block = { id: 24, flags: 25, relation: 36, end: 44 };
const blockFlag = { hasImage: 0x10 };

const idLength = 16;

/** A transaction that wrote a row with an entity's id into a table's file. */
export interface RowWrite {
  readonly entity: Entity;
  readonly xid: number;
  /** `pg_class.relfilenode` */
  readonly fileNumber: number;
}

/** Finds ids of 16 bytes in the records of the log: the log tells of rows that are long gone from the tables. */
export class RowWrites {
  readonly found: RowWrite[] = [];
  /** By their first four bytes. */
  private readonly ids = new Map<number, { readonly bytes: Buffer; readonly entity: Entity }[]>();
  /** Which first two bytes occur, so that nearly all offsets are dismissed at once. */
  private readonly starts = new Uint8Array(0x1_0000);

  /** @param ids in hex; only those of 16 bytes are searched for */
  constructor(ids: ReadonlyMap<string, ReadonlySet<Entity>>) {
    for (const [hex, entities] of ids) {
      const bytes = Buffer.from(hex, 'hex');
      if (bytes.length !== idLength) continue;
      const key = bytes.readUInt32LE(0);
      this.starts[bytes.readUInt16LE(0)] = 1;
      const same = this.ids.get(key) ?? [];
      this.ids.set(key, same);
      for (const entity of entities) same.push({ bytes, entity });
    }
  }

  see(record: Buffer): void {
    if (record.length < block.end + idLength || !heapManagers.has(record.readUInt8(17))) return;
    if (record.readUInt8(block.id) !== 0 || (record.readUInt8(block.flags) & blockFlag.hasImage) !== 0) return;
    const [xid, fileNumber] = [record.readUInt32LE(4), record.readUInt32LE(block.relation)];
    for (let offset = block.end; offset + idLength <= record.length; offset++) {
      if (this.starts[record.readUInt16LE(offset)] === 0) continue;
      for (const { bytes, entity } of this.ids.get(record.readUInt32LE(offset)) ?? []) {
        if (bytes.compare(record, offset, offset + idLength) === 0) this.found.push({ entity, xid, fileNumber });
      }
    }
  }
}
