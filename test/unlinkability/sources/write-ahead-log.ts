import * as fs from 'node:fs';
import { join } from 'node:path';

/**
 * Reads the commit times in PostgreSQL's write-ahead log without any PostgreSQL tool.
 *
 * Layouts: src/include/access/xlog_internal.h (pages), xlogrecord.h (records), xact.h (commits). The log is a stream of records,
 * each aligned to 8 bytes and cut wherever a page of 8 kB ends. A page says at which address of the stream it stands.
 *
 * PostgreSQL recycles a segment by renaming it to a future name. Its pages keep the old records, and the old addresses, until
 * they are overwritten. So this reader goes by the addresses of pages and not by file names, and finds old commits as well.
 */

const pageSize = 8192;
const pageHeader = { short: 24, long: 40 };
const pageFlag = { firstIsContinuation: 1, longHeader: 2, all: 0xf };
/** The high byte of XLOG_PAGE_MAGIC in all versions since 9.4. The low byte is the version. */
const magic = 0xd1;

const recordHeader = 24;
/** XLogRecordMaxSize */
const maxRecord = 1020 * 1024 * 1024;
const transactionManager = 1;
const transactionOperation = { mask: 0x70, commit: 0x00 };
/** No transaction changes so many tables that its commit record is longer. */
const maxCommit = 1024 * 1024;

/** Names of parts of a record that are no block: XLR_BLOCK_ID_DATA_SHORT and the following. */
const part = { shortData: 255, longData: 254, origin: 253, topLevelXid: 252 };
const commitHasInfo = 0x80;
const commitInfo = { database: 1, subtransactions: 2 };

/** Microseconds from 1970 to PostgreSQL's epoch, 2000-01-01. */
const postgresEpochMs = Date.UTC(2000, 0, 1);

/** Pages that follow each other in one file and in the log. */
interface PageRun {
  readonly file: string;
  readonly offset: number;
  readonly address: number;
  pages: number;
}

/**
 * @param onRecord is given each record
 * @returns the commit time of each transaction id, in Unix milliseconds with fractions, by the machine's clock
 */
export function readCommitTimes(
  walFolder: string,
  onRecord: (record: Buffer) => void = () => undefined,
): Map<number, number> {
  const names = fs.readdirSync(walFolder, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const runs = files.flatMap(pageRunsOf).sort((a, b) => a.address - b.address);
  const reader = new RecordReader(onRecord);
  for (const run of runs) {
    const bytes = readAt(run.file, run.offset, run.pages * pageSize);
    for (let at = 0; at + pageSize <= bytes.length; at += pageSize) reader.readPage(bytes.subarray(at, at + pageSize));
  }
  return reader.commitTimes;
}

function readAt(file: string, offset: number, length: number): Buffer {
  const descriptor = fs.openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, fs.readSync(descriptor, bytes, 0, length, offset));
  } finally {
    fs.closeSync(descriptor);
  }
}

function pageRunsOf(file: string): PageRun[] {
  const bytes = fs.readFileSync(file);
  const runs: PageRun[] = [];
  let last: PageRun | undefined;
  for (let offset = 0; offset + pageSize <= bytes.length; offset += pageSize) {
    const page = bytes.subarray(offset, offset + pageSize);
    const address = isPage(page) ? addressOf(page) : undefined;
    if (address === undefined) {
      last = undefined;
    } else if (last !== undefined && last.address + last.pages * pageSize === address) {
      last.pages += 1;
    } else {
      last = { file, offset, address, pages: 1 };
      runs.push(last);
    }
  }
  return runs;
}

function isPage(page: Buffer): boolean {
  return page.readUInt8(1) === magic && page.readUInt16LE(2) <= pageFlag.all && addressOf(page) % pageSize === 0;
}

const addressOf = (page: Buffer) => Number(page.readBigUInt64LE(8));

/** Puts records together from the pages of the log, in the order of their addresses. */
class RecordReader {
  readonly commitTimes = new Map<number, number>();
  /** A record that the pages so far hold only in part. */
  private begun: { readonly pieces: Buffer[]; missing: number } | undefined;
  private nextAddress = -1;

  constructor(private readonly onRecord: (record: Buffer) => void) {}

  readPage(page: Buffer): void {
    const address = addressOf(page);
    if (address !== this.nextAddress) this.begun = undefined;
    this.nextAddress = address + pageSize;
    const flags = page.readUInt16LE(2);
    const start = (flags & pageFlag.longHeader) === 0 ? pageHeader.short : pageHeader.long;
    const continued = (flags & pageFlag.firstIsContinuation) === 0 ? 0 : page.readUInt32LE(16);
    this.continueRecord(page.subarray(start, start + continued), continued);
    this.readRecords(page, address, aligned(start + continued));
  }

  private continueRecord(piece: Buffer, continued: number): void {
    const { begun } = this;
    this.begun = undefined;
    // The page says how much of the record is still to come. If that differs, its beginning was lost.
    if (begun === undefined || continued === 0 || begun.missing !== continued) return;
    begun.pieces.push(piece);
    begun.missing -= piece.length;
    if (begun.missing > 0) this.begun = begun;
    else this.readRecord(Buffer.concat(begun.pieces));
  }

  private readRecords(page: Buffer, pageAddress: number, start: number): void {
    let offset = start;
    while (offset + 8 <= pageSize) {
      const length = page.readUInt32LE(offset);
      // Zeros fill the rest of a segment that was closed early. Anything else that is no record: go on with the next page.
      if (length < recordHeader || length > maxRecord) return;
      const piece = page.subarray(offset, offset + length);
      if (piece.length < length) {
        this.begun = { pieces: [piece], missing: length - piece.length };
        return;
      }
      // A record points back to the one before.
      if (Number(piece.readBigUInt64LE(8)) >= pageAddress + offset) return;
      this.readRecord(piece);
      offset = aligned(offset + length);
    }
  }

  private readRecord(record: Buffer): void {
    this.onRecord(record);
    const xid = record.readUInt32LE(4);
    const info = record.readUInt8(16);
    const isCommit =
      record.readUInt8(17) === transactionManager &&
      (info & transactionOperation.mask) === transactionOperation.commit &&
      record.length <= maxCommit;
    const data = isCommit ? mainDataOf(record) : undefined;
    if (data === undefined || data.length < 8) return;
    // PostgreSQL's time is in microseconds, of which a double keeps all until the year 2255.
    const ms = Number(data.readBigInt64LE(0)) / 1000 + postgresEpochMs;
    const hasInfo = (info & commitHasInfo) !== 0;
    for (const each of [xid, ...(hasInfo ? subtransactionsOf(data) : [])]) this.commitTimes.set(each, ms);
  }
}

const aligned = (offset: number) => Math.ceil(offset / 8) * 8;

/** @returns undefined for a record that refers to blocks, which a commit never does */
function mainDataOf(record: Buffer): Buffer | undefined {
  for (let offset = recordHeader; offset < record.length;) {
    switch (record.readUInt8(offset)) {
      case part.shortData:
        return record.subarray(offset + 2);
      case part.longData:
        return record.subarray(offset + 5);
      case part.origin:
        offset += 3;
        break;
      case part.topLevelXid:
        offset += 5;
        break;
      default:
        return undefined;
    }
  }
  return undefined;
}

/** Rows that were written between a savepoint and its release carry the id of a subtransaction. */
function subtransactionsOf(data: Buffer): number[] {
  if (data.length < 12) return [];
  const info = data.readUInt32LE(8);
  const start = 12 + ((info & commitInfo.database) === 0 ? 0 : 8);
  if ((info & commitInfo.subtransactions) === 0 || start + 4 > data.length) return [];
  const count = Math.min(data.readInt32LE(start), (data.length - start - 4) / 4);
  return Array.from({ length: count }, (_, index) => data.readUInt32LE(start + 4 + index * 4));
}
