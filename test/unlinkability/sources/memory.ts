import { type SeizedProcess } from '../evidence.js';
import { HeapNames, isData, isPosition } from './heap-names.js';
import { HeapSnapshot } from './heap-snapshot.js';
import { type Entity, type IdentifierIndex } from './identifiers.js';
import { timeOfNumber, timesIn } from './times.js';
import { type TraceCollection } from './trace-collection.js';

/** How far from an identifier an object still belongs to the same entity: `Map` value → `Promise` → entry → its property. */
const maxDepth = 3;
/** A larger or more widely used object is no record of one entity. */
const maxProperties = 64;
const maxHolders = 8;
/** Longer texts are no times. */
const maxTimeText = 64;
/** Smaller numbers are settings or sizes, and no clocks or counters. */
const minCounter = 1_000;

/**
 * What the memory of a process tells: the times and counters in the objects around each identifier, and the order of lists and
 * hash tables, which keep their entries in the order in which they came.
 *
 * V8 shows no value of a `Date`, a `BigInt`, a typed array, or a small integer in a list: these it would take a core dump to see.
 */
export function traceMemory({ name, heapFile }: SeizedProcess, index: IdentifierIndex, into: TraceCollection): void {
  const heap = HeapSnapshot.read(heapFile);
  new MemoryReader(heap, name, index, into).read();
}

class MemoryReader {
  /** The entities that each text names, by its position in `heap.strings`. */
  private readonly byText: ReadonlyMap<number, ReadonlySet<Entity>>;
  /** The texts in memory that name entities. */
  private readonly named = new Map<number, ReadonlySet<Entity>>();
  private readonly names: HeapNames;

  constructor(
    private readonly heap: HeapSnapshot,
    private readonly process: string,
    private readonly index: IdentifierIndex,
    private readonly into: TraceCollection,
  ) {
    this.byText = new Map(
      heap.strings.flatMap((text, position) => {
        const found = index.find(text);
        return found.size > 0 ? [[position, found] as const] : [];
      }),
    );
    this.names = new HeapNames(heap, (text) => this.byText.has(text));
  }

  read(): void {
    this.findTexts();
    for (const [node, entities] of this.named) {
      for (const edge of this.heap.retainersOf(node)) if (this.holdsText(edge)) this.traceHolder(edge, entities);
    }
    for (const edge of this.heap.edgesNamed(this.byText)) {
      // An object used as a table: the identifier is the name of a property.
      const entities = this.byText.get(this.heap.edgeNameIndexOf(edge) ?? -1) ?? new Set();
      if (this.heap.edgeTypeOf(edge) === 'property') this.traceEntry(edge, this.heap.targetOf(edge), entities);
    }
  }

  private findTexts(): void {
    const { heap } = this;
    for (let node = 0; node < heap.nodeCount; node += 1) {
      const type = heap.typeOf(node);
      if (type === 'string') this.name(node, this.byText.get(heap.nameIndexOf(node)));
      else if (type === 'concatenated string') this.name(node, this.index.find(this.textOf(node)));
    }
  }

  /** Remembers whom a text names, and the texts that were cut out of it or put together with it. */
  private name(node: number, entities: ReadonlySet<Entity> | undefined): void {
    if (entities === undefined || entities.size === 0 || this.named.has(node)) return;
    this.named.set(node, entities);
    for (const edge of this.heap.retainersOf(node)) {
      const owner = this.heap.ownerOf(edge);
      if (/ string$/.test(this.heap.typeOf(owner))) this.name(owner, entities);
    }
  }

  /** V8 puts long texts together only when they are read. */
  private textOf(node: number, depth = 0): string {
    if (this.heap.typeOf(node) !== 'concatenated string') return this.heap.nameOf(node);
    if (depth > 16) return '';
    const parts = [...this.heap.edgesOf(node)].filter((edge) => /^(first|second)$/.test(this.heap.edgeNameOf(edge)));
    return parts.map((edge) => this.textOf(this.heap.targetOf(edge), depth + 1)).join('');
  }

  private holdsText(edge: number): boolean {
    const { heap } = this;
    const owner = heap.ownerOf(edge);
    // "code" is a literal of the program, or a second copy of a list's elements.
    const isCopy =
      /string$|^synthetic$|^code$/.test(heap.typeOf(owner)) || heap.nameOf(owner) === '(object properties)';
    return isData(heap, edge) && !isCopy;
  }

  private traceHolder(edge: number, entities: ReadonlySet<Entity>): void {
    const { heap } = this;
    const owner = heap.ownerOf(edge);
    if (!isPosition(heap, edge)) {
      this.traceRecord(owner, entities);
      this.traceHoldersOf(owner, entities);
      return;
    }
    this.traceEntry(edge, this.besideInTable(edge), entities);
  }

  /** The value beside a key in the table of a `Map`, or the key beside a value. A `Set` has nothing beside its keys. */
  private besideInTable(edge: number): number | undefined {
    const { heap } = this;
    const owner = heap.ownerOf(edge);
    const isTable = heap.retainersOf(owner).some((holder) => heap.edgeNameOf(holder) === 'table');
    if (!isTable) return undefined;
    const position = Number(heap.edgeNameOf(edge));
    // Edges of one node stand in the order of positions.
    const neighbour = [edge + 1, edge - 1].find(
      (other) => heap.ownerOf(other) === owner && Math.abs(Number(heap.edgeNameOf(other)) - position) === 1,
    );
    return neighbour === undefined ? undefined : heap.targetOf(neighbour);
  }

  /** An entry of a list or table: its place among the others, and what is stored there. */
  private traceEntry(edge: number, value: number | undefined, entities: ReadonlySet<Entity>): void {
    const { heap } = this;
    const table = heap.ownerOf(edge);
    const name = this.names.nameOf(table);
    const position = isPosition(heap, edge) ? Number(heap.edgeNameOf(edge)) : edge;
    const source = `${this.process}: ${name} (order)`;
    this.into.addNumber({ kind: 'memory', source }, `order in ${this.process}: ${name}`, entities, position);
    if (value === undefined) return;
    if (this.isLeaf(value)) this.traceLeaf(`${name}[]`, value, entities);
    else this.traceRecord(value, entities);
  }

  /** The objects that hold a record, such as a cache entry that holds an account: their own properties only. */
  private traceHoldersOf(record: number, entities: ReadonlySet<Entity>, height = 1): void {
    const { heap } = this;
    const holders = heap.retainersOf(record);
    if (holders.length > maxHolders) return;
    for (const edge of holders) {
      const holder = heap.ownerOf(edge);
      if (!isData(heap, edge) || isPosition(heap, edge) || !this.isRecord(holder)) continue;
      this.traceRecord(holder, entities, maxDepth);
      if (height < 2) this.traceHoldersOf(holder, entities, height + 1);
    }
  }

  private traceRecord(record: number, entities: ReadonlySet<Entity>, depth = 1, seen = new Set<number>()): void {
    const { heap } = this;
    if (seen.has(record) || !this.isRecord(record)) return;
    seen.add(record);
    for (const edge of heap.edgesOf(record)) {
      if (!isData(heap, edge)) continue;
      const target = heap.targetOf(edge);
      if (this.isLeaf(target)) {
        this.traceLeaf(`${this.names.nameOf(record)}.${heap.edgeNameOf(edge)}`, target, entities);
      } else if (
        depth < maxDepth &&
        heap.retainersOf(target).length <= maxHolders &&
        !this.isOfAnother(target, entities)
      ) {
        this.traceRecord(target, entities, depth + 1, seen);
      }
    }
  }

  private isRecord(node: number): boolean {
    return /^(object|closure|array)$/.test(this.heap.typeOf(node)) && this.heap.edgeCountOf(node) <= maxProperties;
  }

  /** A neighbour in a linked list is the record of another entity. */
  private isOfAnother(record: number, entities: ReadonlySet<Entity>): boolean {
    for (const edge of this.heap.edgesOf(record)) {
      const named = isData(this.heap, edge) ? this.named.get(this.heap.targetOf(edge)) : undefined;
      if (named !== undefined && ![...named].some((entity) => entities.has(entity))) return true;
    }
    return false;
  }

  private isLeaf(node: number): boolean {
    return /^number$|string$/.test(this.heap.typeOf(node));
  }

  private traceLeaf(name: string, node: number, entities: ReadonlySet<Entity>): void {
    const place = { kind: 'memory', source: `${this.process}: ${name}` } as const;
    if (this.heap.typeOf(node) !== 'number') {
      const text = this.textOf(node);
      if (text.length > maxTimeText) return;
      for (const ms of timesIn(text)) this.into.addTime(place, entities, ms);
      return;
    }
    const value = this.numberOf(node);
    const ms = timeOfNumber(value);
    if (ms !== undefined) this.into.addTime(place, entities, ms);
    else if (Math.abs(value) >= minCounter) this.into.addNumber(place, place.source, entities, value);
  }

  /** With `exposeNumericValues`, a number has its digits beside it. */
  private numberOf(node: number): number {
    const edge = [...this.heap.edgesOf(node)].find((each) => this.heap.edgeNameOf(each) === 'value');
    return edge === undefined ? Number.NaN : Number(this.heap.nameOf(this.heap.targetOf(edge)));
  }
}
