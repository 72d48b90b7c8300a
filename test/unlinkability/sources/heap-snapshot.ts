import { readFileSync } from 'node:fs';

/**
 * A heap snapshot of V8, as a graph of numbered nodes.
 *
 * The file is JSON: `nodes` and `edges` are flat lists of numbers, a few for each node or edge, which point into `strings`
 * (v8/src/profiler/heap-snapshot-generator.cc, HeapSnapshotJSONSerializer). A snapshot of a service has hundreds of megabytes,
 * so the lists are read from the bytes into typed arrays: JSON.parse would need gigabytes, and a string that long may not exist.
 */
export class HeapSnapshot {
  readonly nodeCount: number;

  private constructor(
    readonly strings: readonly string[],
    private readonly meta: Meta,
    private readonly nodeTypes: Uint8Array,
    private readonly nodeNames: Uint32Array,
    /** Where the edges of each node begin. */
    private readonly firstEdges: Uint32Array,
    private readonly edgeTypes: Uint8Array,
    private readonly edgeNames: Uint32Array,
    private readonly targets: Uint32Array,
    private readonly owners: Uint32Array,
    private readonly firstRetainers: Uint32Array,
    private readonly retainers: Uint32Array,
  ) {
    this.nodeCount = nodeTypes.length;
  }

  static read(file: string): HeapSnapshot {
    const bytes = readFileSync(file);
    const { meta, node_count: nodeCount, edge_count: edgeCount } = headOf(bytes);
    const fields = meta.node_fields;
    const nodes = new IntegerList(bytes, 'nodes');
    const nodeTypes = new Uint8Array(nodeCount);
    const nodeNames = new Uint32Array(nodeCount);
    const firstEdges = new Uint32Array(nodeCount + 1);
    const [type, name, count] = ['type', 'name', 'edge_count'].map((field) => fields.indexOf(field));
    for (let node = 0; node < nodeCount; node += 1) {
      for (let field = 0; field < fields.length; field += 1) {
        const value = nodes.next();
        if (field === type) nodeTypes[node] = value;
        else if (field === name) nodeNames[node] = value;
        else if (field === count) firstEdges[node + 1] = (firstEdges[node] ?? 0) + value;
      }
    }
    const edges = new IntegerList(bytes, 'edges');
    const edgeTypes = new Uint8Array(edgeCount);
    const edgeNames = new Uint32Array(edgeCount);
    const targets = new Uint32Array(edgeCount);
    for (let edge = 0; edge < edgeCount; edge += 1) {
      edgeTypes[edge] = edges.next();
      edgeNames[edge] = edges.next();
      targets[edge] = edges.next() / fields.length;
    }
    const backward = retainersOf(firstEdges, targets);
    const { owners, firstRetainers, retainers } = backward;
    return new HeapSnapshot(
      stringsOf(bytes),
      meta,
      nodeTypes,
      nodeNames,
      firstEdges,
      edgeTypes,
      edgeNames,
      targets,
      owners,
      firstRetainers,
      retainers,
    );
  }

  typeOf(node: number): string {
    return this.meta.node_types[0][this.nodeTypes[node] ?? 0] ?? '';
  }

  /** The text of a string, the class of an object. */
  nameOf(node: number): string {
    return this.strings[this.nodeNames[node] ?? 0] ?? '';
  }

  /** The position of `nameOf` in `strings`. */
  nameIndexOf(node: number): number {
    return this.nodeNames[node] ?? 0;
  }

  /** The edges with one of these names, by the position of the name in `strings`. */
  *edgesNamed(names: { has(name: number): boolean }): Generator<number> {
    const isNumber = this.meta.edge_types[0].map(isNumbered);
    const isWanted = this.strings.map((_, name) => names.has(name));
    for (let edge = 0; edge < this.edgeTypes.length; edge += 1) {
      if (isWanted[this.edgeNames[edge] ?? 0] === true && !isNumber[this.edgeTypes[edge] ?? 0]) yield edge;
    }
  }

  /** The edges that leave a node, by number. */
  *edgesOf(node: number): Generator<number> {
    for (let edge = this.firstEdges[node] ?? 0; edge < (this.firstEdges[node + 1] ?? 0); edge += 1) yield edge;
  }

  edgeCountOf(node: number): number {
    return (this.firstEdges[node + 1] ?? 0) - (this.firstEdges[node] ?? 0);
  }

  /** The edges that lead to a node, by number. */
  retainersOf(node: number): Uint32Array {
    return this.retainers.subarray(this.firstRetainers[node], this.firstRetainers[node + 1]);
  }

  edgeTypeOf(edge: number): string {
    return this.meta.edge_types[0][this.edgeTypes[edge] ?? 0] ?? '';
  }

  /** The name of a property, or the position of an element. */
  edgeNameOf(edge: number): string {
    const name = this.edgeNames[edge] ?? 0;
    return isNumbered(this.edgeTypeOf(edge)) ? String(name) : (this.strings[name] ?? '');
  }

  /** The position of `edgeNameOf` in `strings`; undefined for an element. */
  edgeNameIndexOf(edge: number): number | undefined {
    return isNumbered(this.edgeTypeOf(edge)) ? undefined : this.edgeNames[edge];
  }

  targetOf(edge: number): number {
    return this.targets[edge] ?? 0;
  }

  ownerOf(edge: number): number {
    return this.owners[edge] ?? 0;
  }
}

const isNumbered = (edgeType: string) => edgeType === 'element' || edgeType === 'hidden';

interface Meta {
  readonly node_fields: readonly string[];
  readonly node_types: readonly [readonly string[]];
  readonly edge_types: readonly [readonly string[]];
}

function headOf(bytes: Buffer): { meta: Meta; node_count: number; edge_count: number } {
  const text = bytes.toString('latin1', 0, startOf(bytes, 'nodes')).replace(/,\s*"nodes":\[$/, '}');
  return (JSON.parse(text) as { snapshot: ReturnType<typeof headOf> }).snapshot;
}

/** In a text of the file, quotation marks are escaped, so that this cannot be found inside one. */
function startOf(bytes: Buffer, list: string): number {
  const key = `"${list}":[`;
  const found = bytes.indexOf(key);
  if (found === -1) throw new Error(`The heap snapshot has no list "${list}".`);
  return found + key.length;
}

const digitZero = '0'.charCodeAt(0);
const digitAt = (bytes: Buffer, offset: number) => (bytes[offset] ?? digitZero - 1) - digitZero;

/** Reads the numbers of a list one after another. None is negative or has a fraction. */
class IntegerList {
  private offset: number;

  constructor(
    private readonly bytes: Buffer,
    name: string,
  ) {
    this.offset = startOf(bytes, name);
  }

  next(): number {
    const { bytes } = this;
    let { offset } = this;
    let digit = digitAt(bytes, offset);
    while (digit < 0 || digit > 9) digit = digitAt(bytes, ++offset);
    let value = 0;
    for (; digit >= 0 && digit <= 9; digit = digitAt(bytes, ++offset)) value = value * 10 + digit;
    this.offset = offset;
    return value;
  }
}

/** At most this many bytes of texts are parsed at once. */
const part = 64 * 1024 * 1024;

function stringsOf(bytes: Buffer): string[] {
  const strings: string[] = [];
  const end = bytes.lastIndexOf(']');
  for (let start = startOf(bytes, 'strings'); start < end;) {
    // V8 ends the line after each text, and a line feed inside one is escaped.
    const cut = end - start > part ? bytes.lastIndexOf('",\n', start + part) + 1 : end;
    for (const text of JSON.parse(`[${bytes.toString('utf8', start, cut)}]`) as string[]) strings.push(text);
    start = cut + 1;
  }
  return strings;
}

/** For each node, the edges that lead to it. */
function retainersOf(firstEdges: Uint32Array, targets: Uint32Array) {
  const nodeCount = firstEdges.length - 1;
  const firstRetainers = new Uint32Array(nodeCount + 1);
  for (const target of targets) firstRetainers[target + 1] = (firstRetainers[target + 1] ?? 0) + 1;
  for (let node = 0; node < nodeCount; node += 1) {
    firstRetainers[node + 1] = (firstRetainers[node + 1] ?? 0) + (firstRetainers[node] ?? 0);
  }
  const next = firstRetainers.slice();
  const retainers = new Uint32Array(targets.length);
  const owners = new Uint32Array(targets.length);
  for (let node = 0; node < nodeCount; node += 1) {
    for (let edge = firstEdges[node] ?? 0; edge < (firstEdges[node + 1] ?? 0); edge += 1) {
      owners[edge] = node;
      const target = targets[edge] ?? 0;
      const place = next[target] ?? 0;
      retainers[place] = edge;
      next[target] = place + 1;
    }
  }
  return { owners, firstRetainers, retainers };
}
